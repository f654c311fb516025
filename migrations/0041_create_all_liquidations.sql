-- name:      all_liquidations
-- purpose:   liquidations of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.liquidations, marketprism_cold.liquidations
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_liquidations
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    side LowCardinality(String) COMMENT 'side of the forced order: sell = a long position was closed',
    price Decimal(38, 12) COMMENT 'price in quote units; price_kind says which',
    price_kind LowCardinality(String) COMMENT 'fill or bankruptcy',
    quantity Decimal(38, 12) COMMENT 'base-asset units',
    native_quantity Decimal(38, 12) COMMENT 'quantity as the exchange sent it',
    liquidation_time DateTime64(3, 'UTC') COMMENT 'time of the forced order, UTC, milliseconds',
    sampled Bool COMMENT 'true when the venue does not send every liquidation',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'liquidations of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    side,
    price,
    price_kind,
    quantity,
    native_quantity,
    liquidation_time,
    sampled,
    stream_seq,
    created_at
FROM marketprism_cold.liquidations
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    side,
    price,
    price_kind,
    quantity,
    native_quantity,
    liquidation_time,
    sampled,
    stream_seq,
    created_at
FROM marketprism_hot.liquidations
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.liquidations
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
