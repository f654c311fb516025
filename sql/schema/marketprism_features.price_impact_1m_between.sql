CREATE VIEW marketprism_features.price_impact_1m_between
COMMENT 'Kyle lambda, Amihud illiquidity and effective spread by side, by minute (parameters from_ts, to_ts)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.ts_1m AS ts_1m,
    toFloat64(t.close - t.open) / nullIf(toFloat64(t.buy_volume - t.sell_volume), 0) AS kyle_lambda,
    abs(toFloat64(t.close - t.open) / nullIf(toFloat64(t.open), 0)) / nullIf(toFloat64(t.notional), 0) AS amihud_illiq,
    (20000 * toFloat64(q.buy_cost)) / nullIf(toFloat64(q.buy_value), 0) AS effective_spread_buy,
    (20000 * toFloat64(q.sell_cost)) / nullIf(toFloat64(q.sell_value), 0) AS effective_spread_sell,
    t.buy_volume - t.sell_volume AS signed_volume,
    t.close - t.open AS price_change,
    t.trade_count AS trades,
    q.quoted AS quoted_trades,
    greatest(t.available_at, q.known_at) AS available_at,
    multiIf(now64(6, 'UTC') < (t.available_at + toIntervalSecond(3)), 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM
(
    SELECT *
    FROM marketprism_features.trades_1m
    WHERE (ts_1m >= {from_ts:DateTime64(3)}) AND (ts_1m <= {to_ts:DateTime64(3)})
) AS t
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(((2 * price) - bid) - ask, 12) * quantity, is_quoted AND (taker_sign = 1)) AS buy_cost,
        sumIf(toDecimal256((bid + ask) - (2 * price), 12) * quantity, is_quoted AND (taker_sign = -1)) AS sell_cost,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted AND (taker_sign = 1)) AS buy_value,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted AND (taker_sign = -1)) AS sell_value,
        max(available_at) AS known_at
    FROM `marketprism_features.quoted_trades_between`(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1m
) AS q ON (q.exchange = t.exchange) AND (q.market_type = t.market_type) AND (q.symbol = t.symbol) AND (q.ts_1m = t.ts_1m)
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'trades'
) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.ts_1m = t.ts_1m)
