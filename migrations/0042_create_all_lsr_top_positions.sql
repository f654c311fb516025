-- name:      all_lsr_top_positions
-- purpose:   lsr top positions of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.lsr_top_positions, marketprism_cold.lsr_top_positions
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_lsr_top_positions
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    long_position_ratio Decimal(38, 12) COMMENT 'share of long positions, 0 to 1',
    short_position_ratio Decimal(38, 12) COMMENT 'share of short positions, 0 to 1',
    period LowCardinality(String) COMMENT 'length of the period that ends at timestamp, as the exchange names it',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'lsr top positions of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    long_position_ratio,
    short_position_ratio,
    period,
    stream_seq,
    created_at
FROM marketprism_cold.lsr_top_positions
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    long_position_ratio,
    short_position_ratio,
    period,
    stream_seq,
    created_at
FROM marketprism_hot.lsr_top_positions
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.lsr_top_positions
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
