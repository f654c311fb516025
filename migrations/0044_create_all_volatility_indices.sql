-- name:      all_volatility_indices
-- purpose:   volatility indices of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.volatility_indices, marketprism_cold.volatility_indices
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_volatility_indices
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    index_value Decimal(38, 12) COMMENT 'annualised volatility in percent',
    underlying_asset LowCardinality(String) COMMENT 'asset that the index is about',
    maturity_date Nullable(DateTime64(3, 'UTC')) COMMENT 'maturity the value is for, where there is one',
    kind LowCardinality(String) COMMENT 'dvol, mark_iv, ...',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'volatility indices of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    index_value,
    underlying_asset,
    maturity_date,
    kind,
    stream_seq,
    created_at
FROM marketprism_cold.volatility_indices
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    index_value,
    underlying_asset,
    maturity_date,
    kind,
    stream_seq,
    created_at
FROM marketprism_hot.volatility_indices
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.volatility_indices
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
