-- name:      all_orderbooks
-- purpose:   orderbooks of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.orderbooks, marketprism_cold.orderbooks
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_orderbooks
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange time of the last update in the book, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'equal to last_update_id',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    last_update_id UInt64 COMMENT 'exchange id of the last update in the book',
    best_bid_price Decimal(38, 12) COMMENT 'best bid, quote units; 0 when the side is empty',
    best_ask_price Decimal(38, 12) COMMENT 'best ask, quote units; 0 when the side is empty',
    best_bid_quantity Decimal(38, 12) COMMENT 'quantity at the best bid, base units',
    best_ask_quantity Decimal(38, 12) COMMENT 'quantity at the best ask, base units',
    bids_count UInt32 COMMENT 'bid levels of the whole local book, not only of the published top',
    asks_count UInt32 COMMENT 'ask levels of the whole local book, not only of the published top',
    bid_prices Array(Float64) COMMENT 'bid prices, best first; the shortest text restores the exchange\'s digits',
    bid_quantities Array(Float64) COMMENT 'quantities of bid_prices, base units',
    ask_prices Array(Float64) COMMENT 'ask prices, best first; the shortest text restores the exchange\'s digits',
    ask_quantities Array(Float64) COMMENT 'quantities of ask_prices, base units',
    updates UInt32 COMMENT 'updates applied since the row before',
    ofi_l1 Float64 COMMENT 'order flow imbalance at the best level, base units, summed over every update since the row before',
    ofi_l5 Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5, base units, summed over every update since the row before',
    bid_added_quantity Float64 COMMENT 'bid quantity added since the row before, base units',
    bid_cancelled_quantity Float64 COMMENT 'bid quantity taken away since the row before, base units',
    ask_added_quantity Float64 COMMENT 'ask quantity added since the row before, base units',
    ask_cancelled_quantity Float64 COMMENT 'ask quantity taken away since the row before, base units',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'orderbooks of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    last_update_id,
    best_bid_price,
    best_ask_price,
    best_bid_quantity,
    best_ask_quantity,
    bids_count,
    asks_count,
    bid_prices,
    bid_quantities,
    ask_prices,
    ask_quantities,
    updates,
    ofi_l1,
    ofi_l5,
    bid_added_quantity,
    bid_cancelled_quantity,
    ask_added_quantity,
    ask_cancelled_quantity,
    stream_seq,
    created_at
FROM marketprism_cold.orderbooks
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    last_update_id,
    best_bid_price,
    best_ask_price,
    best_bid_quantity,
    best_ask_quantity,
    bids_count,
    asks_count,
    bid_prices,
    bid_quantities,
    ask_prices,
    ask_quantities,
    updates,
    ofi_l1,
    ofi_l5,
    bid_added_quantity,
    bid_cancelled_quantity,
    ask_added_quantity,
    ask_cancelled_quantity,
    stream_seq,
    created_at
FROM marketprism_hot.orderbooks
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.orderbooks
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
