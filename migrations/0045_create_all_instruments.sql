-- name:      all_instruments
-- purpose:   instruments of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.instruments, marketprism_cold.instruments
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Metadata is never archived: hot is what exchanges said, cold is what archive files showed.
CREATE VIEW IF NOT EXISTS marketprism_features.all_instruments
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    canonical String COMMENT 'MarketPrism\'s venue-neutral name of the instrument',
    base LowCardinality(String) COMMENT 'base asset',
    quote LowCardinality(String) COMMENT 'quote asset',
    settle LowCardinality(String) COMMENT 'settlement asset',
    type LowCardinality(String) COMMENT 'spot, perpetual, future or option',
    is_inverse Bool COMMENT 'true when the contract is settled in the base asset',
    multiplier Decimal(38, 12) COMMENT 'quote or base units per contract',
    tick_size Decimal(38, 12) COMMENT 'price step, quote units',
    lot_size Decimal(38, 12) COMMENT 'quantity step, native units',
    expiry Nullable(DateTime64(3, 'UTC')) COMMENT 'expiry of a future or option, UTC',
    strike Nullable(Decimal(38, 12)) COMMENT 'strike of an option, quote units',
    option_side LowCardinality(String) COMMENT 'call, put or empty',
    valid_from DateTime64(3, 'UTC') COMMENT 'first moment the metadata holds, UTC',
    valid_to Nullable(DateTime64(3, 'UTC')) COMMENT 'first moment it no longer holds, UTC; NULL = still valid',
    status LowCardinality(String) COMMENT 'trading status as the exchange names it',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'instruments of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    canonical,
    base,
    quote,
    settle,
    type,
    is_inverse,
    multiplier,
    tick_size,
    lot_size,
    expiry,
    strike,
    option_side,
    valid_from,
    valid_to,
    status,
    stream_seq,
    created_at
FROM marketprism_cold.instruments
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    canonical,
    base,
    quote,
    settle,
    type,
    is_inverse,
    multiplier,
    tick_size,
    lot_size,
    expiry,
    strike,
    option_side,
    valid_from,
    valid_to,
    status,
    stream_seq,
    created_at
FROM marketprism_hot.instruments;
