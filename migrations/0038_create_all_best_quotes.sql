-- name:      all_best_quotes
-- purpose:   best quotes of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.best_quotes, marketprism_cold.best_quotes
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_best_quotes
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'equal to last_update_id',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    bid_price Decimal(38, 12) COMMENT 'best bid, quote units; 0 when the side is empty',
    bid_quantity Decimal(38, 12) COMMENT 'quantity at the best bid, base units',
    ask_price Decimal(38, 12) COMMENT 'best ask, quote units; 0 when the side is empty',
    ask_quantity Decimal(38, 12) COMMENT 'quantity at the best ask, base units',
    last_update_id UInt64 COMMENT 'exchange id of the update that changed the best',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'best quotes of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    bid_price,
    bid_quantity,
    ask_price,
    ask_quantity,
    last_update_id,
    stream_seq,
    created_at
FROM marketprism_cold.best_quotes
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    bid_price,
    bid_quantity,
    ask_price,
    ask_quantity,
    last_update_id,
    stream_seq,
    created_at
FROM marketprism_hot.best_quotes
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.best_quotes
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
