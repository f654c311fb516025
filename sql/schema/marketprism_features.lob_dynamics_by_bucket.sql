CREATE VIEW marketprism_features.lob_dynamics_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `bid_add_rate` Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    `bid_cancel_rate` Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    `bid_net_rate` Nullable(Float64) COMMENT 'bid quantity added less taken away per second, base units',
    `ask_add_rate` Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    `ask_cancel_rate` Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
    `ask_net_rate` Nullable(Float64) COMMENT 'ask quantity added less taken away per second, base units',
    `ofi_l1` Float64 COMMENT 'order flow imbalance at the best level over every update while the bucket filled, base units',
    `ofi_l5` Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5 over every update while the bucket filled, base units',
    `updates` UInt64 COMMENT 'book updates while the bucket filled',
    `books` UInt64 COMMENT 'published books while the bucket filled',
    `observed_s` Float64 COMMENT 'seconds that those books account for; more than five between two books count as none, with what was added and cancelled in them',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, gap (a hole in the trades or in the books touches the bucket), stale (no book while it filled) or partial (its books account for less than 90 % of its length)',
    `sums` Array(Decimal(76, 12)) COMMENT 'the exact sums behind the columns: added and cancelled by side, imbalance at the best and by level, updates, books, milliseconds'
)
COMMENT 'rates of added and cancelled liquidity and order flow imbalance by bucket'
AS SELECT *
FROM `marketprism_features.lob_dynamics_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00')
