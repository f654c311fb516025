-- name:      hot_trades
-- purpose:   the simplified trades table of the seed schema, hot days
-- grain:     one row per print
-- inputs:    marketprism_hot.trades
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    compatibility with the seed schema
CREATE VIEW IF NOT EXISTS marketprism_hot.hot_trades
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    trade_id String COMMENT 'trade id as the exchange writes it',
    price Decimal(38, 12) COMMENT 'price in quote units',
    quantity Decimal(38, 12) COMMENT 'base-asset units',
    side LowCardinality(String) COMMENT 'side of the taker: buy or sell',
    is_maker Bool COMMENT 'true when the buyer was the maker',
    trade_time DateTime64(3, 'UTC') COMMENT 'trade time as the exchange states it, UTC',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC'
)
COMMENT 'trades in the seed schema\'s simplified form, hot days'
AS SELECT timestamp, exchange, market_type, symbol, trade_id, price, quantity, side, is_maker, trade_time, data_source, created_at
FROM marketprism_hot.trades;
