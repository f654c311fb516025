CREATE VIEW marketprism_features.kyle_lambda_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `available_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last close of the window became knowable, UTC; as-of reads use it',
    `kyle_lambda` Nullable(Float64) COMMENT '(close - open) / signed volume, quote units per base unit; NULL without signed volume',
    `kyle_lambda_ols` Nullable(Float64) COMMENT 'slope of close - open on signed volume over 50 closed buckets; NULL below 50',
    `kyle_r2` Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    `amihud_illiq` Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    `signed_volume` Decimal(38, 12) COMMENT 'buy - sell volume of this bucket, base units',
    `price_change` Decimal(38, 12) COMMENT 'close - open of this bucket, quote units',
    `window_buckets` UInt64 COMMENT 'closed buckets in the window, this one included; at most 50',
    `quality` LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'Kyle lambda (ratio and regression over 50 closed buckets) and Amihud illiquidity'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    available_at,
    kyle_lambda,
    kyle_lambda_ols,
    kyle_r2,
    amihud_illiq,
    signed_volume,
    price_change,
    window_buckets,
    window_quality AS quality
FROM `marketprism_features.bucket_impact_between`(from_bucket = 0, to_bucket = 99999999999999, newest = 0)
