CREATE VIEW marketprism_features.realised_spread_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `effective_spread` Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    `realised_spread` Nullable(Float64) COMMENT '2 |price - mid five seconds later| / mid before, weighed alike, basis points',
    `price_impact` Nullable(Float64) COMMENT 'effective - realised spread: 2 |mid five seconds later - mid before| / mid before, basis points',
    `settled_trades` UInt64 COMMENT 'trades with a quote before them and one five seconds later, neither older than 60 s',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised spread and price impact five seconds after the trades, by bucket'
AS SELECT *
FROM `marketprism_features.realised_spread_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00')
