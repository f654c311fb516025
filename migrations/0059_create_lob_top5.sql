-- name:      lob_top5
-- purpose:   five levels a side of every published book, and what they say
-- grain:     one row per (exchange, market_type, symbol, timestamp, sequence)
-- inputs:    marketprism_hot.orderbooks
-- time:      timestamp
-- freshness: on insert
-- lookahead: none
-- source:    weighted mid and queue imbalance as in orderflowkit LocalBook (checked against); mid, spread: Decimal halves of the best prices
--
-- A book without one of its sides has no mid: NULL, never 0. The weighted imbalance weighs level i by 1 / i.
CREATE TABLE IF NOT EXISTS marketprism_features.lob_top5
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange time of the last update in the book, UTC' CODEC(Delta, ZSTD(1)),
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC' CODEC(Delta, ZSTD(1)),
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'exchange id of the last update in the book' CODEC(Delta, ZSTD(1)),
    mid_price Nullable(Float64) COMMENT '(best bid + best ask) / 2, quote units; NULL when a side is empty' CODEC(ZSTD(1)),
    bid_prices_5 Array(Float64) COMMENT 'up to five bid prices, best first' CODEC(ZSTD(1)),
    bid_quantities_5 Array(Float64) COMMENT 'quantities of bid_prices_5, base units' CODEC(ZSTD(1)),
    ask_prices_5 Array(Float64) COMMENT 'up to five ask prices, best first' CODEC(ZSTD(1)),
    ask_quantities_5 Array(Float64) COMMENT 'quantities of ask_prices_5, base units' CODEC(ZSTD(1)),
    tob_imbalance Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity at the best, -1 to 1' CODEC(ZSTD(1)),
    weighted_imbalance_5 Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity of five levels, level i weighed by 1 / i' CODEC(ZSTD(1)),
    microprice Nullable(Float64) COMMENT '(bid price * ask quantity + ask price * bid quantity) / both quantities, quote units' CODEC(ZSTD(1)),
    spread_bps Nullable(Float64) COMMENT '(best ask - best bid) / mid * 10000, basis points' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'five levels a side of every published book, with mid, spread, imbalance and microprice';

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.lob_top5_mv
TO marketprism_features.lob_top5
AS WITH
    b.best_bid_price > 0 AND b.best_ask_price > 0 AS two_sided,
    toFloat64(b.best_bid_price) AS bid,
    toFloat64(b.best_ask_price) AS ask,
    toFloat64(b.best_bid_quantity) AS bid_quantity,
    toFloat64(b.best_ask_quantity) AS ask_quantity,
    toFloat64(b.best_bid_price + b.best_ask_price) / 2 AS mid,
    arraySlice(b.bid_quantities, 1, 5) AS bids,
    arraySlice(b.ask_quantities, 1, 5) AS asks,
    arraySum(arrayMap((quantity, level) -> quantity / level, bids, arrayEnumerate(bids))) AS bid_weight,
    arraySum(arrayMap((quantity, level) -> quantity / level, asks, arrayEnumerate(asks))) AS ask_weight
SELECT
    b.timestamp AS timestamp,
    b.received_at AS received_at,
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    b.sequence AS sequence,
    if(two_sided, mid, NULL) AS mid_price,
    arraySlice(b.bid_prices, 1, 5) AS bid_prices_5,
    bids AS bid_quantities_5,
    arraySlice(b.ask_prices, 1, 5) AS ask_prices_5,
    asks AS ask_quantities_5,
    toFloat64(b.best_bid_quantity - b.best_ask_quantity) / nullIf(toFloat64(b.best_bid_quantity + b.best_ask_quantity), 0) AS tob_imbalance,
    (bid_weight - ask_weight) / nullIf(bid_weight + ask_weight, 0) AS weighted_imbalance_5,
    if(two_sided, (bid * ask_quantity + ask * bid_quantity) / nullIf(bid_quantity + ask_quantity, 0), NULL) AS microprice,
    if(two_sided, toFloat64(b.best_ask_price - b.best_bid_price) / mid * 10000, NULL) AS spread_bps
FROM marketprism_hot.orderbooks AS b;
