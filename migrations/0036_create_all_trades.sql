-- name:      all_trades
-- purpose:   trades of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.trades, marketprism_cold.trades
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_trades
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'exchange trade id (agg_trade: aggregate trade id); monotonic within the symbol',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    trade_id String COMMENT 'trade id as the exchange writes it',
    trade_kind LowCardinality(String) COMMENT 'id space of the row: trade or agg_trade; per symbol and day exactly one kind bears buckets',
    price Decimal(38, 12) COMMENT 'price in quote units',
    quantity Decimal(38, 12) COMMENT 'base-asset units; for inverse contracts rounded once (half-even, 12 digits) by the collector',
    native_quantity Decimal(38, 12) COMMENT 'quantity as the exchange sent it (contracts or base units)',
    side LowCardinality(String) COMMENT 'side of the taker: buy or sell',
    is_maker Bool COMMENT 'true when the buyer was the maker (the taker sold)',
    trade_time DateTime64(3, 'UTC') COMMENT 'trade time as the exchange states it, UTC, milliseconds',
    is_market Bool COMMENT 'false for insurance fund, ADL, block and other prints that are no market trade',
    first_trade_id UInt64 COMMENT 'first trade id inside an aggregate trade; the trade\'s own id otherwise',
    last_trade_id UInt64 COMMENT 'last trade id inside an aggregate trade; the trade\'s own id otherwise',
    tick_size Decimal(38, 12) COMMENT 'price step of the instrument when the trade was received',
    price_tick Int64 COMMENT 'price / tick_size rounded half up: the price bin of the footprint',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket; 0 = bears no bucket and no feature',
    bucket_cut LowCardinality(String) COMMENT 'volume, count or event on the trade that closes its bucket; empty elsewhere',
    bucket_t_max_ms UInt32 COMMENT 'time limit in milliseconds that the trade\'s bucket runs under',
    late Bool COMMENT 'true when the row closed a hole after later rows had been stored; its day is queued for rebuild',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'trades of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    trade_id,
    trade_kind,
    price,
    quantity,
    native_quantity,
    side,
    is_maker,
    trade_time,
    is_market,
    first_trade_id,
    last_trade_id,
    tick_size,
    price_tick,
    stream_seq,
    bucket_id,
    bucket_cut,
    bucket_t_max_ms,
    late,
    created_at
FROM marketprism_cold.trades
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    trade_id,
    trade_kind,
    price,
    quantity,
    native_quantity,
    side,
    is_maker,
    trade_time,
    is_market,
    first_trade_id,
    last_trade_id,
    tick_size,
    price_tick,
    stream_seq,
    bucket_id,
    bucket_cut,
    bucket_t_max_ms,
    late,
    created_at
FROM marketprism_hot.trades
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.trades
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
