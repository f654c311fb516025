CREATE TABLE marketprism_features.footprint_1m_state
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `tick_size` Decimal(38, 12) COMMENT 'price step that px_bin counts',
    `px_bin` Int64 COMMENT 'price bin: price / tick_size',
    `trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    `ask_vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys (lifted asks), base units',
    `bid_vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker sells (hit bids), base units'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(ts_1m)
ORDER BY (exchange, market_type, symbol, ts_1m, tick_size, px_bin)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'additive state of the footprint by minute; footprint_1m reads it'
