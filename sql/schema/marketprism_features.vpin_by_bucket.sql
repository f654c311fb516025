CREATE VIEW marketprism_features.vpin_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `available_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last close of the window became knowable, UTC; as-of reads use it',
    `vpin` Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume over 50 closed buckets, 0 to 1; NULL below 50',
    `imbalance` Nullable(Float64) COMMENT '|buy - sell| / volume of this bucket, 0 to 1',
    `buy_volume` Decimal(38, 12) COMMENT 'volume of taker buys of this bucket, base units',
    `sell_volume` Decimal(38, 12) COMMENT 'volume of taker sells of this bucket, base units',
    `total_volume` Decimal(38, 12) COMMENT 'volume of this bucket, base units',
    `window_buckets` UInt64 COMMENT 'closed buckets in the window, this one included; at most 50',
    `quality` LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'VPIN over 50 closed buckets'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    available_at,
    vpin,
    imbalance,
    buy_vol AS buy_volume,
    sell_vol AS sell_volume,
    vol AS total_volume,
    window_buckets,
    window_quality AS quality
FROM `marketprism_features.bucket_impact_between`(from_bucket = 0, to_bucket = 99999999999999, newest = 0)
