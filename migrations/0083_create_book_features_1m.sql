-- name:      book_features_1m
-- purpose:   the shape of the last two-sided book of each minute
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a two-sided book have no row
-- inputs:    marketprism_features.book_features, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    book_features' own
CREATE VIEW IF NOT EXISTS marketprism_features.book_features_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    mid Nullable(Float64) COMMENT '(best bid + best ask) / 2, quote units; NULL, like everything after it, when a side is empty',
    spread_bps Nullable(Float64) COMMENT '(best ask - best bid) / mid, basis points',
    microprice Nullable(Float64) COMMENT '(bid price * ask quantity + ask price * bid quantity) / both quantities at the best, quote units',
    weighted_mid Nullable(Float64) COMMENT 'the same of five levels: each side\'s mean price weighed by the other side\'s quantity, quote units',
    imbalance_1 Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity at the best, -1 to 1',
    imbalance_5 Nullable(Float64) COMMENT 'the same over 5 levels',
    imbalance_10 Nullable(Float64) COMMENT 'the same over 10 levels',
    imbalance_20 Nullable(Float64) COMMENT 'the same over 20 levels',
    bid_depth_5 Nullable(Float64) COMMENT 'bid quantity of 5 levels, base units',
    ask_depth_5 Nullable(Float64) COMMENT 'ask quantity of 5 levels, base units',
    bid_depth_10 Nullable(Float64) COMMENT 'bid quantity of 10 levels, base units',
    ask_depth_10 Nullable(Float64) COMMENT 'ask quantity of 10 levels, base units',
    bid_depth_20 Nullable(Float64) COMMENT 'bid quantity of 20 levels, base units',
    ask_depth_20 Nullable(Float64) COMMENT 'ask quantity of 20 levels, base units',
    bid_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 bid levels per basis point between mid and the last of them, quote units per bp',
    ask_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 ask levels per basis point between mid and the last of them, quote units per bp',
    bid_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative bid quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    ask_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative ask quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    bid_convexity_10 Nullable(Float64) COMMENT 'second difference of bid depth at 0, 5 and 10 levels over depth at 10: above 0 the book thickens away from the mid',
    ask_convexity_10 Nullable(Float64) COMMENT 'second difference of ask depth at 0, 5 and 10 levels over depth at 10',
    bid_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 bid levels stand, basis points',
    ask_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 ask levels stand, basis points',
    buy_impact_bps Nullable(Float64) COMMENT 'mean price over mid of a market buy of 10,000 quote units, basis points; NULL when the book is too thin',
    sell_impact_bps Nullable(Float64) COMMENT 'mean price under mid of a market sell of 10,000 quote units, basis points; NULL when the book is too thin',
    impact_linear Nullable(Float64) COMMENT 'mean of both impacts per quote unit: impact = impact_linear * size, bps per quote unit',
    impact_sqrt Nullable(Float64) COMMENT 'mean of both impacts per root of a quote unit: impact = impact_sqrt * sqrt(size), bps',
    bid_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 bid levels over its maximum, 0 (all at one level) to 1',
    ask_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 ask levels over its maximum, 0 to 1',
    bid_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 bid levels from the mid, basis points',
    ask_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 ask levels from the mid, basis points',
    staleness_ms Int64 COMMENT 'from that book to the end of the minute, milliseconds',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'the shape of the last two-sided book of each minute'
AS SELECT
    l.exchange AS exchange,
    l.market_type AS market_type,
    l.symbol AS symbol,
    l.ts_1m AS ts_1m,
    b.mid AS mid,
    b.spread_bps AS spread_bps,
    b.microprice AS microprice,
    b.weighted_mid AS weighted_mid,
    b.imbalance_1 AS imbalance_1,
    b.imbalance_5 AS imbalance_5,
    b.imbalance_10 AS imbalance_10,
    b.imbalance_20 AS imbalance_20,
    b.bid_depth_5 AS bid_depth_5,
    b.ask_depth_5 AS ask_depth_5,
    b.bid_depth_10 AS bid_depth_10,
    b.ask_depth_10 AS ask_depth_10,
    b.bid_depth_20 AS bid_depth_20,
    b.ask_depth_20 AS ask_depth_20,
    b.bid_density_10 AS bid_density_10,
    b.ask_density_10 AS ask_density_10,
    b.bid_slope_10 AS bid_slope_10,
    b.ask_slope_10 AS ask_slope_10,
    b.bid_convexity_10 AS bid_convexity_10,
    b.ask_convexity_10 AS ask_convexity_10,
    b.bid_tail_width_bps AS bid_tail_width_bps,
    b.ask_tail_width_bps AS ask_tail_width_bps,
    b.buy_impact_bps AS buy_impact_bps,
    b.sell_impact_bps AS sell_impact_bps,
    b.impact_linear AS impact_linear,
    b.impact_sqrt AS impact_sqrt,
    b.bid_entropy AS bid_entropy,
    b.ask_entropy AS ask_entropy,
    b.bid_gravity_bps AS bid_gravity_bps,
    b.ask_gravity_bps AS ask_gravity_bps,
    dateDiff('millisecond', b.timestamp, toDateTime64(l.ts_1m + 60, 3, 'UTC')) AS staleness_ms,
    l.known_at AS available_at,
    multiIf(now64(6, 'UTC') < l.known_at, 'partial', g.of_type != '', 'gap', staleness_ms > 3000, 'stale', 'ok') AS quality
FROM marketprism_features.book_features AS b
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        max((timestamp, sequence)) AS newest,
        greatest(max(received_at), toDateTime64(ts_1m + 60, 6, 'UTC')) AS known_at
    FROM marketprism_features.all_orderbooks
    WHERE best_bid_price > 0 AND best_ask_price > 0
    GROUP BY exchange, market_type, symbol, ts_1m
) AS l ON l.exchange = b.exchange AND l.market_type = b.market_type AND l.symbol = b.symbol AND l.newest.1 = b.timestamp AND l.newest.2 = b.sequence
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'orderbooks') AS g
    ON g.exchange = l.exchange AND g.market_type = l.market_type AND g.symbol = l.symbol AND g.ts_1m = l.ts_1m;
