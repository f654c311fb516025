CREATE VIEW marketprism_features.mid_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `mid` Nullable(Float64) COMMENT 'mid as of the bucket\'s end, quote units; NULL when the book is older than 60 s or one-sided',
    `mid_avg` Nullable(Float64) COMMENT 'mean mid over the books published in the bucket, quote units',
    `staleness_ms` Nullable(Int64) COMMENT 'age of that book at the bucket\'s end, milliseconds; NULL without a book before',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when the trades of the bucket and that book had been received, UTC; as-of reads use it',
    `quality` LowCardinality(String) COMMENT 'ok, or stale (no book, or older than 3 s)'
)
COMMENT 'mid price as of each bucket\'s end, and on average over it'
AS SELECT *
FROM `marketprism_features.mid_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999)
