-- name:      all_gaps
-- purpose:   gaps of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.gaps, marketprism_cold.gaps
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day of a data type, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
CREATE VIEW IF NOT EXISTS marketprism_features.all_gaps
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    of_type LowCardinality(String) COMMENT 'data type with the hole',
    from_sequence UInt64 COMMENT 'first missing sequence',
    to_sequence UInt64 COMMENT 'last missing sequence',
    from_time DateTime64(3, 'UTC') COMMENT 'exchange time just inside the start of the hole, UTC',
    to_time DateTime64(3, 'UTC') COMMENT 'exchange time just inside the end of the hole, UTC',
    cause LowCardinality(String) COMMENT 'sequence, resync, crossed, disconnect or stream_hole',
    repaired Bool COMMENT 'true when the missing rows have come since',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'gaps of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    of_type,
    from_sequence,
    to_sequence,
    from_time,
    to_time,
    cause,
    repaired,
    stream_seq,
    created_at
FROM marketprism_cold.gaps
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    of_type,
    from_sequence,
    to_sequence,
    from_time,
    to_time,
    cause,
    repaired,
    stream_seq,
    created_at
FROM marketprism_hot.gaps
WHERE (exchange, market_type, symbol, of_type, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, of_type, toDate(timestamp)
    FROM marketprism_cold.gaps
    GROUP BY exchange, market_type, symbol, of_type, toDate(timestamp)
);
