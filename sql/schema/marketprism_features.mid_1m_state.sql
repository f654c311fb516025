CREATE TABLE marketprism_features.mid_1m_state
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `books` SimpleAggregateFunction(sum, UInt64) COMMENT 'books with both sides',
    `best_sum` SimpleAggregateFunction(sum, Decimal(76, 12)) COMMENT 'sum of best bid + best ask, quote units',
    `last_best` AggregateFunction(argMax, Decimal(38, 12), Tuple(
        DateTime64(3, 'UTC'),
        UInt64)) COMMENT 'best bid + best ask of the last book, quote units',
    `last_ts` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'exchange time of the last book, UTC',
    `last_received_at` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'latest local receipt of a book, UTC'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(ts_1m)
ORDER BY (exchange, market_type, symbol, ts_1m)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'additive state of the mid price by minute; mid_1m reads it'
