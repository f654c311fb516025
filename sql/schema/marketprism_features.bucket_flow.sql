CREATE TABLE marketprism_features.bucket_flow
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    `buy_trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'number of taker buys',
    `late_trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'trades that came after later ones had been stored',
    `vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume, base units',
    `buy_vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys, base units',
    `notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity, quote units',
    `buy_notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity of taker buys, quote units',
    `open` AggregateFunction(argMin, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the lowest sequence',
    `close` AggregateFunction(argMax, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the highest sequence',
    `high` SimpleAggregateFunction(max, Decimal(38, 12)) COMMENT 'highest price, quote units',
    `low` SimpleAggregateFunction(min, Decimal(38, 12)) COMMENT 'lowest price, quote units',
    `first_sequence` SimpleAggregateFunction(min, UInt64) COMMENT 'lowest trade sequence',
    `last_sequence` SimpleAggregateFunction(max, UInt64) COMMENT 'highest trade sequence',
    `first_ts` SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'earliest exchange time of a trade, UTC',
    `last_ts` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'latest exchange time of a trade, UTC',
    `first_received_at` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'earliest local receipt of a trade, UTC',
    `last_received_at` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'latest local receipt of a trade, UTC',
    `cut` SimpleAggregateFunction(max, String) COMMENT 'volume, count or event once the closing trade is in; empty before, and for time and day cuts',
    `t_max_ms` SimpleAggregateFunction(max, UInt32) COMMENT 'time limit of the bucket, milliseconds'
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(bucket_id, 1000000)
ORDER BY (exchange, market_type, symbol, bucket_id)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'additive state of each unified bucket; unified_buckets reads it'
