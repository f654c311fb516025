CREATE VIEW marketprism_features.unified_buckets
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_start` DateTime64(3, 'UTC') COMMENT 'earliest exchange time of a trade of the bucket, UTC',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `available_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'when the close became knowable, UTC; NULL while open; as-of reads use it',
    `trades` UInt64 COMMENT 'number of trades',
    `buy_trades` UInt64 COMMENT 'number of taker buys',
    `vol` Decimal(38, 12) COMMENT 'volume, base units',
    `buy_vol` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `sell_vol` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `notional` Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    `buy_notional` Decimal(76, 24) COMMENT 'sum of price * quantity of taker buys, quote units',
    `vwap` Nullable(Float64) COMMENT 'notional / volume, quote units',
    `open` Decimal(38, 12) COMMENT 'first price by sequence, quote units',
    `high` Decimal(38, 12) COMMENT 'highest price, quote units',
    `low` Decimal(38, 12) COMMENT 'lowest price, quote units',
    `close` Decimal(38, 12) COMMENT 'last price by sequence, quote units',
    `cut_trigger` LowCardinality(String) COMMENT 'volume, count, event, time or day; empty while open',
    `is_closed` Bool COMMENT 'true when no later trade can belong to the bucket',
    `quality` LowCardinality(String) COMMENT 'ok, partial (open) or gap (an unrepaired hole in the trades touches it, or nothing is stored of the seven days before it)'
)
COMMENT 'unified buckets: edges, prices, volumes, what closed them and when that was knowable'
AS SELECT *
FROM `marketprism_features.unified_buckets_between`(from_bucket = 0, to_bucket = 99999999999999, newest = 0)
