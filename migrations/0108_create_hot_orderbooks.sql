-- name:      hot_orderbooks
-- purpose:   the simplified order book table of the seed schema, hot days
-- grain:     one row per published book
-- inputs:    marketprism_hot.orderbooks
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    compatibility with the seed schema; levels as JSON text of [price, quantity] pairs
CREATE VIEW IF NOT EXISTS marketprism_hot.hot_orderbooks
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange time of the last update in the book, UTC, milliseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    last_update_id UInt64 COMMENT 'exchange id of the last update in the book',
    best_bid Decimal(38, 12) COMMENT 'best bid, quote units; 0 when the side is empty',
    best_ask Decimal(38, 12) COMMENT 'best ask, quote units; 0 when the side is empty',
    spread Decimal(38, 12) COMMENT 'best ask - best bid, quote units',
    bids_json String COMMENT 'bids, best first: JSON array of [price, quantity]',
    asks_json String COMMENT 'asks, best first: JSON array of [price, quantity]',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC'
)
COMMENT 'books in the seed schema\'s simplified form, hot days'
AS SELECT
    b.timestamp AS timestamp,
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    b.last_update_id AS last_update_id,
    b.best_bid_price AS best_bid,
    b.best_ask_price AS best_ask,
    b.best_ask_price - b.best_bid_price AS spread,
    toJSONString(arrayMap((price, quantity) -> [price, quantity], b.bid_prices, b.bid_quantities)) AS bids_json,
    toJSONString(arrayMap((price, quantity) -> [price, quantity], b.ask_prices, b.ask_quantities)) AS asks_json,
    b.data_source AS data_source,
    b.created_at AS created_at
FROM marketprism_hot.orderbooks AS b;
