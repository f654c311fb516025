CREATE VIEW marketprism_features.returns_by_bucket_between
COMMENT 'returns and momentum over closed buckets (parameters from_bucket, to_bucket, newest)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    if(length(prices) > 1, log(price / nullIf(prices[-2], 0)), NULL) AS log_return_1,
    if(length(prices) > 3, log(price / nullIf(prices[-4], 0)), NULL) AS log_return_3,
    if(length(prices) > 5, log(price / nullIf(prices[-6], 0)), NULL) AS log_return_5,
    if(length(prices) > 10, log(price / nullIf(prices[-11], 0)), NULL) AS log_return_10,
    if(length(prices) > 30, log(price / nullIf(prices[-31], 0)), NULL) AS log_return_30,
    if(length(prices) > 60, log(price / nullIf(prices[-61], 0)), NULL) AS log_return_60,
    log_return_3 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), arraySlice(steps, -3)))), 0) AS momentum_3,
    log_return_5 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), arraySlice(steps, -5)))), 0) AS momentum_5,
    log_return_10 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), arraySlice(steps, -10)))), 0) AS momentum_10,
    log_return_30 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), arraySlice(steps, -30)))), 0) AS momentum_30,
    log_return_60 / nullIf(sqrt(arraySum(arrayMap(step -> (step * step), arraySlice(steps, -60)))), 0) AS momentum_60,
    if(length(steps) >= 59, log(price / nullIf(peak, 0)), NULL) AS drawdown_60,
    if(length(steps) >= 10, arraySum(arrayMap((step, amount) -> (step * amount), arraySlice(steps, -10), arraySlice(amounts, -10))) / nullIf(arraySum(arraySlice(amounts, -10)), 0), NULL) AS price_volume_momentum_10,
    if(volumes_before = 10, toFloat64(signed_volume) / nullIf(toFloat64(volume_before) / 10, 0), NULL) AS trade_impulse,
    window_buckets,
    known_at AS available_at,
    multiIf(window_gaps > 0, 'gap', window_buckets < 61, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        bucket_ts_end,
        price,
        signed_volume,
        groupArray(price) OVER last_61 AS prices,
        groupArray(step) OVER last_60 AS steps,
        groupArrayIf(amount, step IS NOT NULL) OVER last_60 AS amounts,
        max(`top`) OVER last_60 AS peak,
        sum(volume) OVER ten_before AS volume_before,
        count() OVER ten_before AS volumes_before,
        count() OVER last_61 AS window_buckets,
        countIf(grade = 'gap') OVER last_61 AS window_gaps,
        assumeNotNull(max(known) OVER last_61) AS known_at
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            bucket_ts_end,
            toFloat64(close) AS price,
            toFloat64(high) AS `top`,
            toFloat64(notional) AS amount,
            vol AS volume,
            buy_vol - sell_vol AS signed_volume,
            quality AS grade,
            available_at AS known,
            log(price / nullIf(lagInFrame(price) OVER (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), 0)) AS step
        FROM `marketprism_features.unified_buckets_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
        WHERE is_closed
    )
    WINDOW
        last_61 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 60 PRECEDING AND CURRENT ROW),
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 59 PRECEDING AND CURRENT ROW),
        ten_before AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING)
)
