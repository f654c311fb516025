CREATE TABLE marketprism_features.flow_1s
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1s` DateTime('UTC') COMMENT 'start of the second, exchange time, UTC',
    `trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    `buy_trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'number of taker buys',
    `vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume, base units',
    `buy_vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys, base units',
    `notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity, quote units',
    `buy_notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity of taker buys, quote units',
    `open` AggregateFunction(argMin, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the lowest sequence',
    `close` AggregateFunction(argMax, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the highest sequence',
    `high` SimpleAggregateFunction(max, Decimal(38, 12)) COMMENT 'highest price, quote units',
    `low` SimpleAggregateFunction(min, Decimal(38, 12)) COMMENT 'lowest price, quote units',
    `last_received_at` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'latest local receipt of a trade, UTC'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(ts_1s)
ORDER BY (exchange, market_type, symbol, ts_1s)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'additive state of each second of trading'
