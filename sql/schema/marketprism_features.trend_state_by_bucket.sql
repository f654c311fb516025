CREATE VIEW marketprism_features.trend_state_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `momentum_30` Nullable(Float64) COMMENT 'log return of 30 buckets over the root of their squared returns',
    `trend_state` String COMMENT 'up, flat or down',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, warmup (fewer than 31 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'causal trend state by bucket'
AS SELECT *
FROM `marketprism_features.trend_state_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, newest = 0)
