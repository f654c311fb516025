CREATE VIEW marketprism_features.spreads_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `effective_spread` Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    `quoted_spread` Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    `spread_ratio` Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    `quoted_trades` UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'effective and quoted spread by bucket'
AS SELECT *
FROM `marketprism_features.spreads_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00')
