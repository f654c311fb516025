CREATE VIEW marketprism_features.returns_1m_between
COMMENT 'returns and momentum by minute (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    log(price / nullIf(price_1, 0)) AS log_return_1,
    log(price / nullIf(price_3, 0)) AS log_return_3,
    log(price / nullIf(price_5, 0)) AS log_return_5,
    log(price / nullIf(price_10, 0)) AS log_return_10,
    log(price / nullIf(price_30, 0)) AS log_return_30,
    log(price / nullIf(price_60, 0)) AS log_return_60,
    log_return_3 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), steps_3))), 0) AS momentum_3,
    log_return_5 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), steps_5))), 0) AS momentum_5,
    log_return_10 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), steps_10))), 0) AS momentum_10,
    log_return_30 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), steps_30))), 0) AS momentum_30,
    log_return_60 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), steps_60))), 0) AS momentum_60,
    log(price / nullIf(peak, 0)) AS drawdown_60,
    if(minutes_10 = 10, arraySum(arrayMap((step, amount) -> (step * amount), steps_10, amounts_10)) / nullIf(arraySum(amounts_10), 0), NULL) AS price_volume_momentum_10,
    if(oldest <= (at_s - 600), toFloat64(signed_volume) / nullIf(toFloat64(volume_before) / 10, 0), NULL) AS trade_impulse,
    window_minutes,
    greatest(known, toDateTime64(ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', window_gaps > 0, 'gap', log_return_60 IS NULL, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1m,
        at_s,
        price,
        signed_volume,
        anyLast(price) OVER (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 300 PRECEDING AND 60 PRECEDING) AS price_1,
        anyLast(price) OVER (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 420 PRECEDING AND 180 PRECEDING) AS price_3,
        anyLast(price) OVER (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 540 PRECEDING AND 300 PRECEDING) AS price_5,
        anyLast(price) OVER (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 840 PRECEDING AND 600 PRECEDING) AS price_10,
        anyLast(price) OVER (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 2040 PRECEDING AND 1800 PRECEDING) AS price_30,
        anyLast(price) OVER (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 3840 PRECEDING AND 3600 PRECEDING) AS price_60,
        groupArray(step) OVER last_3 AS steps_3,
        groupArray(step) OVER last_5 AS steps_5,
        groupArray(step) OVER last_10 AS steps_10,
        groupArray(step) OVER last_30 AS steps_30,
        groupArray(step) OVER last_60 AS steps_60,
        groupArrayIf(amount, step IS NOT NULL) OVER last_10 AS amounts_10,
        count(step) OVER last_10 AS minutes_10,
        max(`top`) OVER last_60 AS peak,
        sum(volume) OVER ten_before AS volume_before,
        min(at_s) OVER last_65 AS oldest,
        count() OVER last_60 AS window_minutes,
        countIf(is_hole) OVER last_65 AS window_gaps,
        max(receipt) OVER last_65 AS known
    FROM
    (
        SELECT
            t.exchange AS exchange,
            t.market_type AS market_type,
            t.symbol AS symbol,
            t.ts_1m AS ts_1m,
            toUnixTimestamp(t.ts_1m) AS at_s,
            toFloat64(t.close) AS price,
            toFloat64(t.high) AS `top`,
            toFloat64(t.notional) AS amount,
            t.total_volume AS volume,
            t.buy_volume - t.sell_volume AS signed_volume,
            t.available_at AS receipt,
            g.of_type != '' AS is_hole,
            log(price / nullIf(anyLast(price) OVER (PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY at_s ASC RANGE BETWEEN 300 PRECEDING AND 60 PRECEDING), 0)) AS step
        FROM
        (
            SELECT *
            FROM marketprism_features.trades_1m
            WHERE (ts_1m >= {from_ts:DateTime64(3)}) AND (ts_1m <= {to_ts:DateTime64(3)})
        ) AS t
        LEFT JOIN
        (
            SELECT *
            FROM marketprism_features.gap_minutes
            WHERE of_type = 'trades'
        ) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.ts_1m = t.ts_1m)
    )
    WINDOW
        last_3 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 120 PRECEDING AND CURRENT ROW),
        last_5 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 240 PRECEDING AND CURRENT ROW),
        last_10 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 540 PRECEDING AND CURRENT ROW),
        last_30 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 1740 PRECEDING AND CURRENT ROW),
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 3540 PRECEDING AND CURRENT ROW),
        last_65 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 3840 PRECEDING AND CURRENT ROW),
        ten_before AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 600 PRECEDING AND 60 PRECEDING)
)
