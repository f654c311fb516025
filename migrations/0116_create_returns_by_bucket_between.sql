-- name:      returns_by_bucket_between
-- purpose:   returns, momentum, drawdown, price-volume momentum and trade impulse over closed buckets, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.unified_buckets_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    log returns of closes; momentum scaled by realised volatility as in Moskowitz, Ooi, Pedersen (2012)
--
-- Buckets differ in length: these are returns per bucket, not per second. Windows count closed buckets across midnight.
--
-- Parameters as in unified_buckets_between; the windows of the first buckets of a range reach no further back than it.
CREATE VIEW IF NOT EXISTS marketprism_features.returns_by_bucket_between
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
    log_return_3 / nullIf(sqrt(arraySum(arrayMap(step -> step * step, arraySlice(steps, -3)))), 0) AS momentum_3,
    log_return_5 / nullIf(sqrt(arraySum(arrayMap(step -> step * step, arraySlice(steps, -5)))), 0) AS momentum_5,
    log_return_10 / nullIf(sqrt(arraySum(arrayMap(step -> step * step, arraySlice(steps, -10)))), 0) AS momentum_10,
    log_return_30 / nullIf(sqrt(arraySum(arrayMap(step -> step * step, arraySlice(steps, -30)))), 0) AS momentum_30,
    log_return_60 / nullIf(sqrt(arraySum(arrayMap(step -> step * step, arraySlice(steps, -60)))), 0) AS momentum_60,
    if(length(steps) >= 59, log(price / nullIf(peak, 0)), NULL) AS drawdown_60,
    if(length(steps) >= 10, arraySum(arrayMap((step, amount) -> step * amount, arraySlice(steps, -10), arraySlice(amounts, -10)))
        / nullIf(arraySum(arraySlice(amounts, -10)), 0), NULL) AS price_volume_momentum_10,
    if(volumes_before = 10, toFloat64(signed_volume) / nullIf(toFloat64(volume_before) / 10, 0), NULL) AS trade_impulse,
    window_buckets,
    known_at AS available_at,
    multiIf(window_gaps > 0, 'gap', window_buckets < 61, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, bucket_ts_end, price, signed_volume,
        groupArray(price) OVER last_61 AS prices,
        groupArray(step) OVER last_60 AS steps,
        groupArrayIf(amount, step IS NOT NULL) OVER last_60 AS amounts,
        max(top) OVER last_60 AS peak,
        sum(volume) OVER ten_before AS volume_before,
        count() OVER ten_before AS volumes_before,
        count() OVER last_61 AS window_buckets,
        countIf(grade = 'gap') OVER last_61 AS window_gaps,
        assumeNotNull(max(known) OVER last_61) AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id, bucket_ts_end,
            toFloat64(close) AS price,
            toFloat64(high) AS top,
            toFloat64(notional) AS amount,
            vol AS volume,
            buy_vol - sell_vol AS signed_volume,
            quality AS grade,
            available_at AS known,
            log(price / nullIf(lagInFrame(price) OVER (
                PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            ), 0)) AS step
        FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
        WHERE is_closed
    )
    WINDOW
        last_61 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 60 PRECEDING AND CURRENT ROW),
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 59 PRECEDING AND CURRENT ROW),
        ten_before AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING)
);

CREATE OR REPLACE VIEW marketprism_features.returns_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    log_return_1 Nullable(Float64) COMMENT 'log of close over the close 1 bucket before; NULL below 2',
    log_return_3 Nullable(Float64) COMMENT 'log of close over the close 3 buckets before; NULL below 4',
    log_return_5 Nullable(Float64) COMMENT 'log of close over the close 5 buckets before; NULL below 6',
    log_return_10 Nullable(Float64) COMMENT 'log of close over the close 10 buckets before; NULL below 11',
    log_return_30 Nullable(Float64) COMMENT 'log of close over the close 30 buckets before; NULL below 31',
    log_return_60 Nullable(Float64) COMMENT 'log of close over the close 60 buckets before; NULL below 61',
    momentum_3 Nullable(Float64) COMMENT 'log_return_3 over the root of the squared returns of those buckets',
    momentum_5 Nullable(Float64) COMMENT 'log_return_5 over the root of the squared returns of those buckets',
    momentum_10 Nullable(Float64) COMMENT 'log_return_10 over the root of the squared returns of those buckets',
    momentum_30 Nullable(Float64) COMMENT 'log_return_30 over the root of the squared returns of those buckets',
    momentum_60 Nullable(Float64) COMMENT 'log_return_60 over the root of the squared returns of those buckets',
    drawdown_60 Nullable(Float64) COMMENT 'log of close over the highest price of the last 60 buckets, 0 or below; NULL below 60',
    price_volume_momentum_10 Nullable(Float64) COMMENT 'mean log return of the last 10 buckets weighed by their notional',
    trade_impulse Nullable(Float64) COMMENT 'signed volume over the mean volume of the ten buckets before; NULL below ten',
    window_buckets UInt64 COMMENT 'closed buckets in the window, this one included; at most 61',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, warmup (fewer than 61 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'returns and momentum over closed buckets'
AS SELECT *
FROM marketprism_features.returns_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, newest = 0);
