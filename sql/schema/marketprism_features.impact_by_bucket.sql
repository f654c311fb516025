CREATE VIEW marketprism_features.impact_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `kyle_lambda_mid` Nullable(Float64) COMMENT 'OLS slope of the change of mid on signed notional over 50 closed buckets, quote units per quote unit',
    `kyle_mid_stderr` Nullable(Float64) COMMENT 'standard error of kyle_lambda_mid',
    `kyle_mid_r2` Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    `kyle_lambda_wls` Nullable(Float64) COMMENT 'the same slope with each bucket weighed by its volume',
    `kyle_wls_stderr` Nullable(Float64) COMMENT 'standard error of kyle_lambda_wls',
    `kyle_wls_r2` Nullable(Float64) COMMENT 'weighted R squared of that regression, 0 to 1',
    `hasbrouck_lambda` Nullable(Float64) COMMENT 'slope through the origin of log returns on the sum of sign * sqrt(quote amount) over 50 closed buckets',
    `hasbrouck_t` Nullable(Float64) COMMENT 't value of hasbrouck_lambda',
    `amihud_lambda` Nullable(Float64) COMMENT 'slope through the origin of |log return| on notional over 50 closed buckets, per quote unit',
    `amihud_mean` Nullable(Float64) COMMENT 'mean of |log return| / notional over 50 closed buckets, per quote unit',
    `window_mids` UInt64 COMMENT 'changes of mid among the last 50 buckets',
    `window_buckets` UInt64 COMMENT 'closed buckets in the window, this one included; at most 51',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, warmup (fewer than 51 closed buckets), stale (a bucket of the window has no mid) or gap (a hole touches the window)'
)
COMMENT 'price impact by regression over 50 closed buckets'
AS SELECT *
FROM `marketprism_features.impact_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00')
