-- name:      all_open_interests
-- purpose:   open interests of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.open_interests, marketprism_cold.open_interests
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_open_interests
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    open_interest Decimal(38, 12) COMMENT 'open interest, base units',
    open_interest_native Decimal(38, 12) COMMENT 'open interest as the exchange sent it',
    open_interest_value Nullable(Decimal(38, 12)) COMMENT 'open interest in quote units where the exchange says it',
    count UInt32 COMMENT 'number of open contracts or positions where the exchange says it; 0 otherwise',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'open interests of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    open_interest,
    open_interest_native,
    open_interest_value,
    count,
    stream_seq,
    created_at
FROM marketprism_cold.open_interests
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    open_interest,
    open_interest_native,
    open_interest_value,
    count,
    stream_seq,
    created_at
FROM marketprism_hot.open_interests
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.open_interests
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
