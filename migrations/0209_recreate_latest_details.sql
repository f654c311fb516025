-- name:      latest_details
-- purpose:   what latest_features shows of the newest closed bucket beside its prices: returns, variance, flow, book, spreads
-- grain:     one row per (exchange, market_type, symbol) whose newest closed bucket ended within five minutes of the newest trade
-- inputs:    marketprism_features.returns_by_bucket_between, marketprism_features.volatility_by_bucket_between, marketprism_features.bulk_volume_by_bucket_between, marketprism_features.trade_flow_by_bucket_between, marketprism_features.spreads_by_bucket_between, marketprism_features.book_features_by_bucket_between, marketprism_features.lob_dynamics_by_bucket_between, marketprism_features.trend_state_by_bucket_between, marketprism_features.realised_spread_by_bucket_between, marketprism_features.footprint_clusters, marketprism_features.footprint_candidates, marketprism_features.trade_clusters, marketprism_features.unified_buckets_between, marketprism_features.bucket_flow
-- time:      bucket_id
-- freshness: refreshed every minute
-- lookahead: none
-- source:    the inputs' own; a test compares the row with unified_features_by_bucket column by column
--
-- Groups are tuples: a query pays for each column it names, and latest_features is read as a whole. Raw rows are read from
-- eight minutes before the newest trade, from twelve for what settles five seconds after its trade and is kept for 300 s.
-- The levels weigh as dynamic_levels does, at the close, when the bucket closed; runs of jobs are those whose rows were there
-- by then, at most 600 s old. quality is that of the groups: the one of latest_features speaks of the bucket's own columns.
-- Until 0209 the groups settled and clusters were declared and not selected, so they were NULL: a refresh fills by name.
-- Most of a refresh is the analysis of the views, the same with data or without: hence once a minute, and
-- not when it is created (EMPTY).
-- leak-ok: whole-history: one row per symbol, the newest known when refreshed; the maxima bound what is read
-- leak-ok: latest-row: one row per symbol, the newest known when refreshed; nothing older is joined to it
DROP VIEW IF EXISTS marketprism_features.latest_details;

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.latest_details
REFRESH EVERY 1 MINUTE
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    available_at DateTime64(6, 'UTC') COMMENT 'when the newest input of the row became knowable, UTC',
    trend_state String COMMENT 'up, flat or down',
    returns Tuple(log_return_1 Nullable(Float64), log_return_3 Nullable(Float64), log_return_5 Nullable(Float64), log_return_10 Nullable(Float64), log_return_30 Nullable(Float64), log_return_60 Nullable(Float64), momentum_3 Nullable(Float64), momentum_5 Nullable(Float64), momentum_10 Nullable(Float64), momentum_30 Nullable(Float64), momentum_60 Nullable(Float64), drawdown_60 Nullable(Float64), price_volume_momentum_10 Nullable(Float64), trade_impulse Nullable(Float64)) COMMENT 'returns over closed buckets: as returns_by_bucket',
    volatility Tuple(realised_variance Nullable(Float64), bipower_variance Nullable(Float64), medrv Nullable(Float64), minrv Nullable(Float64), semivariance_down Nullable(Float64), semivariance_up Nullable(Float64), tripower_quarticity Nullable(Float64), jump_share Nullable(Float64), bns_z Nullable(Float64), bns_ratio_z Nullable(Float64), lee_mykland Nullable(Float64), is_jump Nullable(UInt8), corwin_schultz_bps Nullable(Float64)) COMMENT 'variance and jumps over 50 closed buckets: as volatility_by_bucket',
    bulk Tuple(bvc_buy_volume Nullable(Float64), bvc_sell_volume Nullable(Float64), bvc_imbalance Nullable(Float64), vpin_bvc Nullable(Float64)) COMMENT 'bulk volume classification: as bulk_volume_by_bucket',
    flow Tuple(flow_imbalance Nullable(Float64), cvd Nullable(Float64), cvd_gaps Nullable(UInt64), avg_trade_size Nullable(Float64), avg_trade_quote Nullable(Float64), trades_per_s Nullable(Float64), quote_per_s Nullable(Float64), direction_persistence Nullable(Float64), large_buy_quote Nullable(Float64), large_sell_quote Nullable(Float64), retail_buy_quote Nullable(Float64), retail_sell_quote Nullable(Float64), large_imbalance Nullable(Float64), retail_imbalance Nullable(Float64), buy_hhi Nullable(Float64), sell_hhi Nullable(Float64), tw_cvd Nullable(Float64), roll_spread_bps Nullable(Float64)) COMMENT 'who trades how: as trade_flow_by_bucket',
    spreads Tuple(effective_spread Nullable(Float64), quoted_spread Nullable(Float64), spread_ratio Nullable(Float64)) COMMENT 'what takers paid, basis points: as spreads_by_bucket',
    book Tuple(spread_bps Nullable(Float64), microprice Nullable(Float64), weighted_mid Nullable(Float64), imbalance_1 Nullable(Float64), imbalance_5 Nullable(Float64), imbalance_10 Nullable(Float64), imbalance_20 Nullable(Float64), bid_depth_5 Nullable(Float64), ask_depth_5 Nullable(Float64), bid_depth_10 Nullable(Float64), ask_depth_10 Nullable(Float64), bid_depth_20 Nullable(Float64), ask_depth_20 Nullable(Float64), bid_density_10 Nullable(Float64), ask_density_10 Nullable(Float64), bid_slope_10 Nullable(Float64), ask_slope_10 Nullable(Float64), bid_convexity_10 Nullable(Float64), ask_convexity_10 Nullable(Float64), bid_tail_width_bps Nullable(Float64), ask_tail_width_bps Nullable(Float64), buy_impact_bps Nullable(Float64), sell_impact_bps Nullable(Float64), impact_linear Nullable(Float64), impact_sqrt Nullable(Float64), bid_entropy Nullable(Float64), ask_entropy Nullable(Float64), bid_gravity_bps Nullable(Float64), ask_gravity_bps Nullable(Float64), shape_staleness_ms Nullable(Int64)) COMMENT 'shape of the book as of the bucket\'s end: as book_features_by_bucket',
    dynamics Tuple(bid_add_rate Nullable(Float64), bid_cancel_rate Nullable(Float64), bid_net_rate Nullable(Float64), ask_add_rate Nullable(Float64), ask_cancel_rate Nullable(Float64), ask_net_rate Nullable(Float64), ofi_l1 Nullable(Float64), ofi_l5 Array(Float64), book_updates Nullable(UInt64), books Nullable(UInt64)) COMMENT 'liquidity that came and went per second, and order flow imbalance: as lob_dynamics_by_bucket',
    settled Tuple(realised_spread Nullable(Float64), price_impact Nullable(Float64), realised_staleness_ms Nullable(Int64)) COMMENT 'realised spread and price impact after five seconds, basis points: as unified_features_by_bucket',
    clusters Tuple(trade_clusters Nullable(UInt32), largest_cluster_volume Nullable(Float64), mean_cluster_density Nullable(Float64), buy_cluster_share Nullable(Float64), sell_cluster_share Nullable(Float64), clusters_staleness_ms Nullable(Int64)) COMMENT 'clusters of trades by DBSCAN: as trade_clusters',
    levels Tuple(resistance Nullable(Float64), support Nullable(Float64), resistance_bps Nullable(Float64), support_bps Nullable(Float64), level_log_ratio Nullable(Float64), clusters Nullable(UInt64), staleness_ms Nullable(Int64)) COMMENT 'resistance above and support below the close: as dynamic_levels',
    candidates Tuple(candidates_1h Nullable(UInt32), candidates_4h Nullable(UInt32), candidates_24h Nullable(UInt32), absorption_bps Nullable(Float64), exhaustion_bps Nullable(Float64), candidates_staleness_ms Nullable(Int64)) COMMENT 'absorption and exhaustion candidates of the newest job run, at most 600 s old: as unified_features_by_bucket',
    quality LowCardinality(String) COMMENT 'of the groups: ok, gap (a hole touches a window of them), warmup (a window is not full) or stale (a book or a quote was missing or older than 3 s)'
)
ENGINE = Memory
EMPTY
COMMENT 'the newest closed bucket of every symbol in detail; latest_features reads it'
AS WITH
    assumeNotNull(i.available_at) AS closed_at,
    arrayMax(arrayMap(one -> one.1, arrayFilter(one -> one.5 <= closed_at, g.runs))) AS newest_run,
    arrayFilter(one -> one.1 = newest_run AND dateDiff('millisecond', newest_run, closed_at) <= 600000, g.runs) AS run,
    arrayMax(arrayMap(one -> one.1, arrayFilter(one -> one.5 <= closed_at, e.runs))) AS newest_candidates,
    arrayFilter(one -> one.1 = newest_candidates, e.runs) AS candidates_found,
    notEmpty(candidates_found) AND dateDiff('millisecond', newest_candidates, closed_at) <= 600000 AS has_candidates,
    arraySort(away -> abs(away), arrayMap(one -> (one.3 / price - 1) * 10000, arrayFilter(one -> one.4 = 'absorption', candidates_found))) AS absorbed,
    arraySort(away -> abs(away), arrayMap(one -> (one.3 / price - 1) * 10000, arrayFilter(one -> one.4 = 'exhaustion', candidates_found))) AS exhausted,
    greatest(toFloat64(i.close), 1e-12) AS price,
    arrayMap(one -> (if(one.2 >= price, 1, -1), abs(one.2 / price - 1) * 10000 AS away, one.3 * exp(-away / 50) * exp(-dateDiff('millisecond', one.4, closed_at) / 7200000)), run) AS weighed,
    arraySlice(arrayReverseSort(level -> level.3, weighed), 1, 200) AS heaviest,
    arrayFilter(level -> level.1 = 1, heaviest) AS above,
    arrayFilter(level -> level.1 = -1, heaviest) AS below,
    arraySum(arrayMap(level -> level.3, above)) AS resistance,
    arraySum(arrayMap(level -> level.3, below)) AS support,
    arraySlice(arraySort(arrayFilter(one -> one.1 <= i.bucket_id, t.settled)), -10) AS last_10,
    arrayLast(one -> one.2 <= available_at AND one.2 >= available_at - toIntervalSecond(300), last_10) AS newest_settled,
    c.run_ts != 0 AND dateDiff('millisecond', c.run_ts, closed_at) <= 600000 AS has_clusters
SELECT
    i.exchange AS exchange,
    i.market_type AS market_type,
    i.symbol AS symbol,
    i.bucket_id AS bucket_id,
    assumeNotNull(greatest(closed_at, r.available_at, w.available_at, v.available_at, d.available_at, f.available_at, s.available_at, b.available_at, l.available_at)) AS available_at,
    d.trend_state AS trend_state,
    CAST((r.log_return_1, r.log_return_3, r.log_return_5, r.log_return_10, r.log_return_30, r.log_return_60, r.momentum_3, r.momentum_5, r.momentum_10, r.momentum_30, r.momentum_60, r.drawdown_60, r.price_volume_momentum_10, r.trade_impulse), 'Tuple(log_return_1 Nullable(Float64), log_return_3 Nullable(Float64), log_return_5 Nullable(Float64), log_return_10 Nullable(Float64), log_return_30 Nullable(Float64), log_return_60 Nullable(Float64), momentum_3 Nullable(Float64), momentum_5 Nullable(Float64), momentum_10 Nullable(Float64), momentum_30 Nullable(Float64), momentum_60 Nullable(Float64), drawdown_60 Nullable(Float64), price_volume_momentum_10 Nullable(Float64), trade_impulse Nullable(Float64))') AS returns,
    CAST((w.realised_variance, w.bipower_variance, w.medrv, w.minrv, w.semivariance_down, w.semivariance_up, w.tripower_quarticity, w.jump_share, w.bns_z, w.bns_ratio_z, w.lee_mykland, w.is_jump, w.corwin_schultz_bps), 'Tuple(realised_variance Nullable(Float64), bipower_variance Nullable(Float64), medrv Nullable(Float64), minrv Nullable(Float64), semivariance_down Nullable(Float64), semivariance_up Nullable(Float64), tripower_quarticity Nullable(Float64), jump_share Nullable(Float64), bns_z Nullable(Float64), bns_ratio_z Nullable(Float64), lee_mykland Nullable(Float64), is_jump Nullable(UInt8), corwin_schultz_bps Nullable(Float64))') AS volatility,
    CAST((v.bvc_buy_volume, v.bvc_sell_volume, v.bvc_imbalance, v.vpin_bvc), 'Tuple(bvc_buy_volume Nullable(Float64), bvc_sell_volume Nullable(Float64), bvc_imbalance Nullable(Float64), vpin_bvc Nullable(Float64))') AS bulk,
    CAST((f.flow_imbalance, if(f.bucket_id = 0, NULL, f.cvd), if(f.bucket_id = 0, NULL, f.cvd_gaps), if(f.bucket_id = 0, NULL, f.avg_trade_size), if(f.bucket_id = 0, NULL, f.avg_trade_quote), f.trades_per_s, f.quote_per_s, f.direction_persistence, if(f.bucket_id = 0, NULL, f.large_buy_quote), if(f.bucket_id = 0, NULL, f.large_sell_quote), if(f.bucket_id = 0, NULL, f.retail_buy_quote), if(f.bucket_id = 0, NULL, f.retail_sell_quote), f.large_imbalance, f.retail_imbalance, f.buy_hhi, f.sell_hhi, f.tw_cvd, f.roll_spread_bps), 'Tuple(flow_imbalance Nullable(Float64), cvd Nullable(Float64), cvd_gaps Nullable(UInt64), avg_trade_size Nullable(Float64), avg_trade_quote Nullable(Float64), trades_per_s Nullable(Float64), quote_per_s Nullable(Float64), direction_persistence Nullable(Float64), large_buy_quote Nullable(Float64), large_sell_quote Nullable(Float64), retail_buy_quote Nullable(Float64), retail_sell_quote Nullable(Float64), large_imbalance Nullable(Float64), retail_imbalance Nullable(Float64), buy_hhi Nullable(Float64), sell_hhi Nullable(Float64), tw_cvd Nullable(Float64), roll_spread_bps Nullable(Float64))') AS flow,
    CAST((s.effective_spread, s.quoted_spread, s.spread_ratio), 'Tuple(effective_spread Nullable(Float64), quoted_spread Nullable(Float64), spread_ratio Nullable(Float64))') AS spreads,
    CAST((b.spread_bps, b.microprice, b.weighted_mid, b.imbalance_1, b.imbalance_5, b.imbalance_10, b.imbalance_20, b.bid_depth_5, b.ask_depth_5, b.bid_depth_10, b.ask_depth_10, b.bid_depth_20, b.ask_depth_20, b.bid_density_10, b.ask_density_10, b.bid_slope_10, b.ask_slope_10, b.bid_convexity_10, b.ask_convexity_10, b.bid_tail_width_bps, b.ask_tail_width_bps, b.buy_impact_bps, b.sell_impact_bps, b.impact_linear, b.impact_sqrt, b.bid_entropy, b.ask_entropy, b.bid_gravity_bps, b.ask_gravity_bps, if(b.bucket_id = 0, NULL, b.staleness_ms)), 'Tuple(spread_bps Nullable(Float64), microprice Nullable(Float64), weighted_mid Nullable(Float64), imbalance_1 Nullable(Float64), imbalance_5 Nullable(Float64), imbalance_10 Nullable(Float64), imbalance_20 Nullable(Float64), bid_depth_5 Nullable(Float64), ask_depth_5 Nullable(Float64), bid_depth_10 Nullable(Float64), ask_depth_10 Nullable(Float64), bid_depth_20 Nullable(Float64), ask_depth_20 Nullable(Float64), bid_density_10 Nullable(Float64), ask_density_10 Nullable(Float64), bid_slope_10 Nullable(Float64), ask_slope_10 Nullable(Float64), bid_convexity_10 Nullable(Float64), ask_convexity_10 Nullable(Float64), bid_tail_width_bps Nullable(Float64), ask_tail_width_bps Nullable(Float64), buy_impact_bps Nullable(Float64), sell_impact_bps Nullable(Float64), impact_linear Nullable(Float64), impact_sqrt Nullable(Float64), bid_entropy Nullable(Float64), ask_entropy Nullable(Float64), bid_gravity_bps Nullable(Float64), ask_gravity_bps Nullable(Float64), shape_staleness_ms Nullable(Int64))') AS book,
    CAST((l.bid_add_rate, l.bid_cancel_rate, l.bid_net_rate, l.ask_add_rate, l.ask_cancel_rate, l.ask_net_rate, if(l.bucket_id = 0 OR l.books = 0, NULL, l.ofi_l1), if(l.books = 0, [], l.ofi_l5), if(l.bucket_id = 0, NULL, l.updates), if(l.bucket_id = 0, NULL, l.books)), 'Tuple(bid_add_rate Nullable(Float64), bid_cancel_rate Nullable(Float64), bid_net_rate Nullable(Float64), ask_add_rate Nullable(Float64), ask_cancel_rate Nullable(Float64), ask_net_rate Nullable(Float64), ofi_l1 Nullable(Float64), ofi_l5 Array(Float64), book_updates Nullable(UInt64), books Nullable(UInt64))') AS dynamics,
    CAST((
        if(newest_settled.2 = 0, NULL, newest_settled.3),
        if(newest_settled.2 = 0, NULL, newest_settled.4),
        if(newest_settled.2 = 0, NULL, dateDiff('millisecond', newest_settled.2, available_at))
    ), 'Tuple(realised_spread Nullable(Float64), price_impact Nullable(Float64), realised_staleness_ms Nullable(Int64))') AS settled,
    CAST((
        if(has_clusters, c.clusters, NULL),
        if(has_clusters, c.largest_volume, NULL),
        if(has_clusters, c.mean_density, NULL),
        if(has_clusters, c.buy_share, NULL),
        if(has_clusters, c.sell_share, NULL),
        if(c.run_ts = 0, NULL, dateDiff('millisecond', c.run_ts, closed_at))
    ), 'Tuple(trade_clusters Nullable(UInt32), largest_cluster_volume Nullable(Float64), mean_cluster_density Nullable(Float64), buy_cluster_share Nullable(Float64), sell_cluster_share Nullable(Float64), clusters_staleness_ms Nullable(Int64))') AS clusters,
    CAST((
        if(empty(run), NULL, resistance),
        if(empty(run), NULL, support),
        if(empty(above), NULL, arrayMin(arrayMap(level -> level.2, above))),
        if(empty(below), NULL, arrayMin(arrayMap(level -> level.2, below))),
        log(nullIf(resistance, 0) / nullIf(support, 0)),
        if(empty(run), NULL, length(heaviest)),
        if(empty(run), NULL, dateDiff('millisecond', run[1].1, closed_at))
    ), 'Tuple(resistance Nullable(Float64), support Nullable(Float64), resistance_bps Nullable(Float64), support_bps Nullable(Float64), level_log_ratio Nullable(Float64), clusters Nullable(UInt64), staleness_ms Nullable(Int64))') AS levels,
    CAST((
        if(has_candidates, arrayCount(one -> one.2 = 1, candidates_found), NULL),
        if(has_candidates, arrayCount(one -> one.2 = 4, candidates_found), NULL),
        if(has_candidates, arrayCount(one -> one.2 = 24, candidates_found), NULL),
        if(has_candidates AND notEmpty(absorbed), absorbed[1], NULL),
        if(has_candidates AND notEmpty(exhausted), exhausted[1], NULL),
        if(empty(candidates_found), NULL, dateDiff('millisecond', newest_candidates, closed_at))
    ), 'Tuple(candidates_1h Nullable(UInt32), candidates_4h Nullable(UInt32), candidates_24h Nullable(UInt32), absorption_bps Nullable(Float64), exhaustion_bps Nullable(Float64), candidates_staleness_ms Nullable(Int64))') AS candidates,
    multiIf(
        has([i.quality, r.quality, w.quality, v.quality, d.quality, f.quality, s.quality, b.quality, l.quality], 'gap'), 'gap',
        r.window_buckets < 50, 'warmup',
        b.bucket_id = 0 OR hasAny([s.quality, b.quality, l.quality], ['stale', 'partial']), 'stale',
        has([r.quality, w.quality, v.quality, d.quality], 'warmup'), 'warmup',
        'ok'
    ) AS quality
FROM
(
    SELECT *
    FROM marketprism_features.unified_buckets_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, newest = 3)
    WHERE is_closed AND bucket_ts_end >= (SELECT max(last_ts) - toIntervalMinute(5) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))
    ORDER BY bucket_id DESC
    LIMIT 1 BY exchange, market_type, symbol
) AS i
LEFT JOIN marketprism_features.returns_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, newest = 190) AS r
    ON r.exchange = i.exchange AND r.market_type = i.market_type AND r.symbol = i.symbol AND r.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.volatility_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, newest = 190) AS w
    ON w.exchange = i.exchange AND w.market_type = i.market_type AND w.symbol = i.symbol AND w.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.bulk_volume_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, newest = 190) AS v
    ON v.exchange = i.exchange AND v.market_type = i.market_type AND v.symbol = i.symbol AND v.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.trade_flow_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, since = (SELECT max(last_ts) - toIntervalMinute(8) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))) AS f
    ON f.exchange = i.exchange AND f.market_type = i.market_type AND f.symbol = i.symbol AND f.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.spreads_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, since = (SELECT max(last_ts) - toIntervalMinute(8) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))) AS s
    ON s.exchange = i.exchange AND s.market_type = i.market_type AND s.symbol = i.symbol AND s.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.book_features_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, since = (SELECT max(last_ts) - toIntervalMinute(8) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))) AS b
    ON b.exchange = i.exchange AND b.market_type = i.market_type AND b.symbol = i.symbol AND b.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.lob_dynamics_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, since = (SELECT max(last_ts) - toIntervalMinute(8) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))) AS l
    ON l.exchange = i.exchange AND l.market_type = i.market_type AND l.symbol = i.symbol AND l.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.trend_state_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, newest = 190) AS d
    ON d.exchange = i.exchange AND d.market_type = i.market_type AND d.symbol = i.symbol AND d.bucket_id = i.bucket_id
LEFT JOIN
(
    SELECT exchange, market_type, symbol, groupArray((run_ts, cluster_price, total_vol, last_ts, available_at)) AS runs
    FROM marketprism_features.footprint_clusters
    WHERE run_ts >= (SELECT max(last_ts) - toIntervalMinute(30) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))
    GROUP BY exchange, market_type, symbol
) AS g
    ON g.exchange = i.exchange AND g.market_type = i.market_type AND g.symbol = i.symbol
LEFT JOIN
(
    SELECT exchange, market_type, symbol, groupArray((run_ts, hours, cluster_price, candidate_type, available_at)) AS runs
    FROM marketprism_features.footprint_candidates
    WHERE run_ts >= (SELECT max(last_ts) - toIntervalMinute(30) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))
    GROUP BY exchange, market_type, symbol
) AS e
    ON e.exchange = i.exchange AND e.market_type = i.market_type AND e.symbol = i.symbol
LEFT JOIN
(
    SELECT exchange, market_type, symbol, groupArray((o.bucket_id, o.available_at, o.realised_spread, o.price_impact)) AS settled
    FROM marketprism_features.realised_spread_by_bucket_between(from_bucket = (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow), to_bucket = 99999999999999, since = (SELECT max(last_ts) - toIntervalMinute(12) FROM marketprism_features.bucket_flow WHERE bucket_id >= (SELECT max(bucket_id) - 2000000 FROM marketprism_features.bucket_flow))) AS o
    GROUP BY exchange, market_type, symbol
) AS t
    ON t.exchange = i.exchange AND t.market_type = i.market_type AND t.symbol = i.symbol
ASOF LEFT JOIN marketprism_features.trade_clusters AS c
    ON c.exchange = i.exchange AND c.market_type = i.market_type AND c.symbol = i.symbol AND c.available_at <= i.available_at
SETTINGS max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0;
