CREATE MATERIALIZED VIEW marketprism_features.latest_impact
REFRESH EVERY 5 MINUTE
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when the last close of its window became knowable, UTC',
    `impact` Tuple(
        kyle_lambda_mid Nullable(Float64),
        kyle_mid_stderr Nullable(Float64),
        kyle_mid_r2 Nullable(Float64),
        kyle_lambda_wls Nullable(Float64),
        kyle_wls_stderr Nullable(Float64),
        kyle_wls_r2 Nullable(Float64),
        hasbrouck_lambda Nullable(Float64),
        hasbrouck_t Nullable(Float64),
        amihud_lambda Nullable(Float64),
        amihud_mean Nullable(Float64)) COMMENT 'price impact by regression over 50 closed buckets: as impact_by_bucket'
)
ENGINE = Memory
DEFINER = default SQL SECURITY DEFINER
COMMENT 'price impact by regression at the newest closed bucket of every symbol; latest_features reads it'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    available_at,
    CAST((kyle_lambda_mid, kyle_mid_stderr, kyle_mid_r2, kyle_lambda_wls, kyle_wls_stderr, kyle_wls_r2, hasbrouck_lambda, hasbrouck_t, amihud_lambda, amihud_mean), 'Tuple(kyle_lambda_mid Nullable(Float64), kyle_mid_stderr Nullable(Float64), kyle_mid_r2 Nullable(Float64), kyle_lambda_wls Nullable(Float64), kyle_wls_stderr Nullable(Float64), kyle_wls_r2 Nullable(Float64), hasbrouck_lambda Nullable(Float64), hasbrouck_t Nullable(Float64), amihud_lambda Nullable(Float64), amihud_mean Nullable(Float64))') AS impact
FROM `marketprism_features.impact_by_bucket_between`(from_bucket = (
    SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000)
    FROM marketprism_features.bucket_flow
), to_bucket = 99999999999999, since = (
    SELECT max(last_ts) - toIntervalMinute(100)
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT max(bucket_id) - 2000000
        FROM marketprism_features.bucket_flow
    )
))
ORDER BY bucket_id DESC
LIMIT 1 BY
    exchange,
    market_type,
    symbol
SETTINGS max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0
