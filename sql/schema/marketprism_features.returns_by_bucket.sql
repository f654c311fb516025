CREATE VIEW marketprism_features.returns_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `log_return_1` Nullable(Float64) COMMENT 'log of close over the close 1 bucket before; NULL below 2',
    `log_return_3` Nullable(Float64) COMMENT 'log of close over the close 3 buckets before; NULL below 4',
    `log_return_5` Nullable(Float64) COMMENT 'log of close over the close 5 buckets before; NULL below 6',
    `log_return_10` Nullable(Float64) COMMENT 'log of close over the close 10 buckets before; NULL below 11',
    `log_return_30` Nullable(Float64) COMMENT 'log of close over the close 30 buckets before; NULL below 31',
    `log_return_60` Nullable(Float64) COMMENT 'log of close over the close 60 buckets before; NULL below 61',
    `momentum_3` Nullable(Float64) COMMENT 'log_return_3 over the root of the squared returns of those buckets',
    `momentum_5` Nullable(Float64) COMMENT 'log_return_5 over the root of the squared returns of those buckets',
    `momentum_10` Nullable(Float64) COMMENT 'log_return_10 over the root of the squared returns of those buckets',
    `momentum_30` Nullable(Float64) COMMENT 'log_return_30 over the root of the squared returns of those buckets',
    `momentum_60` Nullable(Float64) COMMENT 'log_return_60 over the root of the squared returns of those buckets',
    `drawdown_60` Nullable(Float64) COMMENT 'log of close over the highest price of the last 60 buckets, 0 or below; NULL below 60',
    `price_volume_momentum_10` Nullable(Float64) COMMENT 'mean log return of the last 10 buckets weighed by their notional',
    `trade_impulse` Nullable(Float64) COMMENT 'signed volume over the mean volume of the ten buckets before; NULL below ten',
    `window_buckets` UInt64 COMMENT 'closed buckets in the window, this one included; at most 61',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, warmup (fewer than 61 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'returns and momentum over closed buckets'
AS SELECT *
FROM `marketprism_features.returns_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, newest = 0)
