CREATE VIEW marketprism_features.book_features_1m_between
COMMENT 'the shape of the last two-sided book of each minute (parameters from_ts, to_ts)'
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
    multiIf(now64(6, 'UTC') < (l.known_at + toIntervalSecond(3)), 'partial', g.of_type != '', 'gap', staleness_ms > 3000, 'stale', 'ok') AS quality
FROM
(
    SELECT *
    FROM marketprism_features.book_features
    WHERE (timestamp >= {from_ts:DateTime64(3)}) AND (timestamp <= {to_ts:DateTime64(3)})
) AS b
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
    WHERE ((timestamp >= {from_ts:DateTime64(3)}) AND (timestamp <= {to_ts:DateTime64(3)})) AND (best_bid_price > 0) AND (best_ask_price > 0)
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1m
) AS l ON (l.exchange = b.exchange) AND (l.market_type = b.market_type) AND (l.symbol = b.symbol) AND ((l.newest.1) = b.timestamp) AND ((l.newest.2) = b.sequence)
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'orderbooks'
) AS g ON (g.exchange = l.exchange) AND (g.market_type = l.market_type) AND (g.symbol = l.symbol) AND (g.ts_1m = l.ts_1m)
