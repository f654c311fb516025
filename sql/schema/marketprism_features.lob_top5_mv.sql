CREATE MATERIALIZED VIEW marketprism_features.lob_top5_mv TO marketprism_features.lob_top5
(
    `timestamp` DateTime64(3, 'UTC'),
    `received_at` DateTime64(6, 'UTC'),
    `exchange` LowCardinality(String),
    `market_type` LowCardinality(String),
    `symbol` LowCardinality(String),
    `sequence` UInt64,
    `mid_price` Nullable(Float64),
    `bid_prices_5` Array(Float64),
    `bid_quantities_5` Array(Float64),
    `ask_prices_5` Array(Float64),
    `ask_quantities_5` Array(Float64),
    `tob_imbalance` Nullable(Float64),
    `weighted_imbalance_5` Nullable(Float64),
    `microprice` Nullable(Float64),
    `spread_bps` Nullable(Float64)
)
AS WITH
    (b.best_bid_price > 0) AND (b.best_ask_price > 0) AS two_sided,
    toFloat64(b.best_bid_price) AS bid,
    toFloat64(b.best_ask_price) AS ask,
    toFloat64(b.best_bid_quantity) AS bid_quantity,
    toFloat64(b.best_ask_quantity) AS ask_quantity,
    toFloat64(b.best_bid_price + b.best_ask_price) / 2 AS mid,
    arraySlice(b.bid_quantities, 1, 5) AS bids,
    arraySlice(b.ask_quantities, 1, 5) AS asks,
    arraySum(arrayMap((quantity, level) -> (quantity / level), bids, arrayEnumerate(bids))) AS bid_weight,
    arraySum(arrayMap((quantity, level) -> (quantity / level), asks, arrayEnumerate(asks))) AS ask_weight
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
    if(two_sided, ((bid * ask_quantity) + (ask * bid_quantity)) / nullIf(bid_quantity + ask_quantity, 0), NULL) AS microprice,
    if(two_sided, (toFloat64(b.best_ask_price - b.best_bid_price) / mid) * 10000, NULL) AS spread_bps
FROM marketprism_hot.orderbooks AS b
