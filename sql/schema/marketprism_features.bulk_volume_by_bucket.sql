CREATE VIEW marketprism_features.bulk_volume_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `bvc_buy_volume` Nullable(Float64) COMMENT 'volume * Phi(change of close / sigma), base units; NULL below 50 changes before',
    `bvc_sell_volume` Nullable(Float64) COMMENT 'the rest of the volume, base units',
    `bvc_imbalance` Nullable(Float64) COMMENT '(buy - sell) / volume so classified, -1 to 1',
    `vpin_bvc` Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume so classified over 50 closed buckets, 0 to 1; NULL below 50',
    `window_shares` UInt64 COMMENT 'classified buckets among the last 50',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, warmup (fewer than 50 classified buckets) or gap (a hole touches a bucket behind the row)'
)
COMMENT 'bulk volume classification by bucket'
AS SELECT *
FROM `marketprism_features.bulk_volume_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, newest = 0)
