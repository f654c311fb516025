CREATE VIEW marketprism_features.spread_analysis_1m_between
COMMENT 'effective and quoted spread and their ratio, by minute (parameters from_ts, to_ts)'
AS SELECT
    q.exchange AS exchange,
    q.market_type AS market_type,
    q.symbol AS symbol,
    q.ts_1m AS ts_1m,
    (20000 * toFloat64(q.cost)) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    (20000 * toFloat64(q.width)) / nullIf(toFloat64(q.value), 0) AS quoted_spread,
    toFloat64(q.cost) / nullIf(toFloat64(q.width), 0) AS spread_ratio,
    q.trades AS trades,
    q.quoted AS quoted_trades,
    greatest(q.known_at, toDateTime64(q.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        count() AS trades,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(taker_sign * (((2 * price) - bid) - ask), 12) * quantity, is_quoted) AS cost,
        sumIf(toDecimal256(ask - bid, 12) * quantity, is_quoted) AS width,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted) AS value,
        max(available_at) AS known_at
    FROM `marketprism_features.quoted_trades_between`(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1m
) AS q
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'trades'
) AS g ON (g.exchange = q.exchange) AND (g.market_type = q.market_type) AND (g.symbol = q.symbol) AND (g.ts_1m = q.ts_1m)
