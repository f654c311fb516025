CREATE VIEW marketprism_features.unified_features_since
COMMENT 'every bucket feature side by side (parameters from_bucket, to_bucket, newest, since)'
AS WITH
    arrayLast(one -> (((one.1) <= available_at) AND ((one.1) >= (available_at - toIntervalSecond(300)))), z.settled) AS newest_settled,
    (c.run_ts != 0) AND (dateDiff('millisecond', c.run_ts, i.available_at) <= 600000) AS has_clusters,
    (h.run_ts != 0) AND (dateDiff('millisecond', h.run_ts, i.available_at) <= 600000) AS has_levels,
    (q.run_ts != 0) AND (dateDiff('millisecond', q.run_ts, i.available_at) <= 600000) AS has_candidates,
    greatest(toFloat64(i.close), 1e-12) AS price,
    arrayMap(one -> (if((one.1) >= price, 1, -1), abs(((one.1) / price) - 1) * 10000 AS away, ((one.2) * exp((-away) / 50)) * exp((-dateDiff('millisecond', one.3, assumeNotNull(i.available_at))) / 7200000)), h.clusters) AS weighed,
    arraySlice(arrayReverseSort(level -> (level.3, level.1, level.2), weighed), 1, 200) AS heaviest,
    arrayFilter(level -> ((level.1) = 1), heaviest) AS above,
    arrayFilter(level -> ((level.1) = -1), heaviest) AS below,
    arraySum(arrayMap(level -> (level.3), above)) AS above_weight,
    arraySum(arrayMap(level -> (level.3), below)) AS below_weight,
    arraySort(away -> abs(away), arrayMap(one -> ((((one.2) / price) - 1) * 10000), arrayFilter(one -> ((one.3) = 'absorption'), q.candidates))) AS absorbed,
    arraySort(away -> abs(away), arrayMap(one -> ((((one.2) / price) - 1) * 10000), arrayFilter(one -> ((one.3) = 'exhaustion'), q.candidates))) AS exhausted
SELECT
    i.exchange AS exchange,
    i.market_type AS market_type,
    i.symbol AS symbol,
    i.bucket_id AS bucket_id,
    i.bucket_ts_start AS bucket_ts_start,
    i.bucket_ts_end AS bucket_ts_end,
    assumeNotNull(greatest(i.available_at, m.available_at, r.available_at, w.available_at, v.available_at, d.available_at, ifNull(f.available_at, i.available_at), ifNull(k.available_at, i.available_at), ifNull(s.available_at, i.available_at), ifNull(b.available_at, i.available_at), ifNull(l.available_at, i.available_at))) AS available_at,
    i.trades AS trades,
    i.buy_trades AS buy_trades,
    i.vol AS vol,
    i.buy_vol AS buy_vol,
    i.sell_vol AS sell_vol,
    i.notional AS notional,
    i.buy_notional AS buy_notional,
    i.vwap AS vwap,
    i.open AS open,
    i.high AS high,
    i.low AS low,
    i.close AS close,
    i.cut_trigger AS cut_trigger,
    i.signed_volume AS signed_volume,
    i.price_change AS price_change,
    i.kyle_lambda AS kyle_lambda,
    i.kyle_lambda_ols AS kyle_lambda_ols,
    i.kyle_r2 AS kyle_r2,
    i.amihud_illiq AS amihud_illiq,
    i.vpin AS vpin,
    i.imbalance AS imbalance,
    i.window_buckets AS window_buckets,
    m.mid AS mid,
    m.mid_avg AS mid_avg,
    m.staleness_ms AS mid_staleness_ms,
    if(p.bins = 0, NULL, p.poc_px) AS poc_px,
    if(p.bins = 0, NULL, p.value_area_low) AS value_area_low,
    if(p.bins = 0, NULL, p.value_area_high) AS value_area_high,
    (toFloat64(i.high - i.low) / nullIf(toFloat64(i.open), 0)) * 10000 AS range_bps,
    r.log_return_1 AS log_return_1,
    r.log_return_3 AS log_return_3,
    r.log_return_5 AS log_return_5,
    r.log_return_10 AS log_return_10,
    r.log_return_30 AS log_return_30,
    r.log_return_60 AS log_return_60,
    r.momentum_3 AS momentum_3,
    r.momentum_5 AS momentum_5,
    r.momentum_10 AS momentum_10,
    r.momentum_30 AS momentum_30,
    r.momentum_60 AS momentum_60,
    r.drawdown_60 AS drawdown_60,
    r.price_volume_momentum_10 AS price_volume_momentum_10,
    r.trade_impulse AS trade_impulse,
    w.realised_variance AS realised_variance,
    w.bipower_variance AS bipower_variance,
    w.medrv AS medrv,
    w.minrv AS minrv,
    w.semivariance_down AS semivariance_down,
    w.semivariance_up AS semivariance_up,
    w.tripower_quarticity AS tripower_quarticity,
    w.jump_share AS jump_share,
    w.bns_z AS bns_z,
    w.bns_ratio_z AS bns_ratio_z,
    w.lee_mykland AS lee_mykland,
    w.is_jump AS is_jump,
    w.corwin_schultz_bps AS corwin_schultz_bps,
    v.bvc_buy_volume AS bvc_buy_volume,
    v.bvc_sell_volume AS bvc_sell_volume,
    v.bvc_imbalance AS bvc_imbalance,
    v.vpin_bvc AS vpin_bvc,
    d.trend_state AS trend_state,
    f.flow_imbalance AS flow_imbalance,
    if(f.bucket_id = 0, NULL, f.cvd) AS cvd,
    if(f.bucket_id = 0, NULL, f.cvd_gaps) AS cvd_gaps,
    if(f.bucket_id = 0, NULL, f.avg_trade_size) AS avg_trade_size,
    if(f.bucket_id = 0, NULL, f.avg_trade_quote) AS avg_trade_quote,
    f.trades_per_s AS trades_per_s,
    f.quote_per_s AS quote_per_s,
    f.direction_persistence AS direction_persistence,
    if(f.bucket_id = 0, NULL, f.large_buy_quote) AS large_buy_quote,
    if(f.bucket_id = 0, NULL, f.large_sell_quote) AS large_sell_quote,
    if(f.bucket_id = 0, NULL, f.retail_buy_quote) AS retail_buy_quote,
    if(f.bucket_id = 0, NULL, f.retail_sell_quote) AS retail_sell_quote,
    f.large_imbalance AS large_imbalance,
    f.retail_imbalance AS retail_imbalance,
    f.buy_hhi AS buy_hhi,
    f.sell_hhi AS sell_hhi,
    f.tw_cvd AS tw_cvd,
    f.roll_spread_bps AS roll_spread_bps,
    k.kyle_lambda_mid AS kyle_lambda_mid,
    k.kyle_mid_stderr AS kyle_mid_stderr,
    k.kyle_mid_r2 AS kyle_mid_r2,
    k.kyle_lambda_wls AS kyle_lambda_wls,
    k.kyle_wls_stderr AS kyle_wls_stderr,
    k.kyle_wls_r2 AS kyle_wls_r2,
    k.hasbrouck_lambda AS hasbrouck_lambda,
    k.hasbrouck_t AS hasbrouck_t,
    k.amihud_lambda AS amihud_lambda,
    k.amihud_mean AS amihud_mean,
    s.effective_spread AS effective_spread,
    s.quoted_spread AS quoted_spread,
    s.spread_ratio AS spread_ratio,
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
    if(b.bucket_id = 0, NULL, b.staleness_ms) AS shape_staleness_ms,
    l.bid_add_rate AS bid_add_rate,
    l.bid_cancel_rate AS bid_cancel_rate,
    l.bid_net_rate AS bid_net_rate,
    l.ask_add_rate AS ask_add_rate,
    l.ask_cancel_rate AS ask_cancel_rate,
    l.ask_net_rate AS ask_net_rate,
    if((l.bucket_id = 0) OR (l.books = 0), NULL, l.ofi_l1) AS ofi_l1,
    if(l.books = 0, [], l.ofi_l5) AS ofi_l5,
    if(l.bucket_id = 0, NULL, l.updates) AS book_updates,
    if(l.bucket_id = 0, NULL, l.books) AS books,
    if((newest_settled.1) = 0, NULL, newest_settled.2) AS realised_spread,
    if((newest_settled.1) = 0, NULL, newest_settled.3) AS price_impact,
    if((newest_settled.1) = 0, NULL, dateDiff('millisecond', newest_settled.1, available_at)) AS realised_staleness_ms,
    if(has_clusters, c.clusters, NULL) AS trade_clusters,
    if(has_clusters, c.largest_volume, NULL) AS largest_cluster_volume,
    if(has_clusters, c.mean_density, NULL) AS mean_cluster_density,
    if(has_clusters, c.buy_share, NULL) AS buy_cluster_share,
    if(has_clusters, c.sell_share, NULL) AS sell_cluster_share,
    if(c.run_ts = 0, NULL, dateDiff('millisecond', c.run_ts, i.available_at)) AS clusters_staleness_ms,
    if(has_levels, above_weight, NULL) AS resistance,
    if(has_levels, below_weight, NULL) AS support,
    if(has_levels AND notEmpty(above), arrayMin(arrayMap(level -> (level.2), above)), NULL) AS resistance_bps,
    if(has_levels AND notEmpty(below), arrayMin(arrayMap(level -> (level.2), below)), NULL) AS support_bps,
    if(has_levels, log(nullIf(above_weight, 0) / nullIf(below_weight, 0)), NULL) AS level_log_ratio,
    if(h.run_ts = 0, NULL, dateDiff('millisecond', h.run_ts, i.available_at)) AS levels_staleness_ms,
    if(has_candidates, toUInt32(arrayCount(one -> ((one.1) = 1), q.candidates)), NULL) AS candidates_1h,
    if(has_candidates, toUInt32(arrayCount(one -> ((one.1) = 4), q.candidates)), NULL) AS candidates_4h,
    if(has_candidates, toUInt32(arrayCount(one -> ((one.1) = 24), q.candidates)), NULL) AS candidates_24h,
    if(has_candidates AND notEmpty(absorbed), absorbed[1], NULL) AS absorption_bps,
    if(has_candidates AND notEmpty(exhausted), exhausted[1], NULL) AS exhaustion_bps,
    if(q.run_ts = 0, NULL, dateDiff('millisecond', q.run_ts, i.available_at)) AS candidates_staleness_ms,
    multiIf((i.window_quality = 'gap') OR has([r.quality, w.quality, v.quality, d.quality, f.quality, k.quality, s.quality, b.quality, l.quality], 'gap'), 'gap', i.window_quality != 'ok', i.window_quality, (m.mid IS NULL) OR (m.staleness_ms > 3000) OR hasAny([k.quality, s.quality, b.quality, l.quality], ['stale', 'partial']), 'stale', has([r.quality, w.quality, v.quality, d.quality, k.quality], 'warmup'), 'warmup', 'ok') AS quality
FROM `marketprism_features.bucket_impact_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS i
LEFT JOIN `marketprism_features.mid_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}) AS m ON (m.exchange = i.exchange) AND (m.market_type = i.market_type) AND (m.symbol = i.symbol) AND (m.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.bucket_profile_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}) AS p ON (p.exchange = i.exchange) AND (p.market_type = i.market_type) AND (p.symbol = i.symbol) AND (p.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.returns_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS r ON (r.exchange = i.exchange) AND (r.market_type = i.market_type) AND (r.symbol = i.symbol) AND (r.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.volatility_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS w ON (w.exchange = i.exchange) AND (w.market_type = i.market_type) AND (w.symbol = i.symbol) AND (w.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.bulk_volume_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS v ON (v.exchange = i.exchange) AND (v.market_type = i.market_type) AND (v.symbol = i.symbol) AND (v.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.trend_state_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS d ON (d.exchange = i.exchange) AND (d.market_type = i.market_type) AND (d.symbol = i.symbol) AND (d.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.trade_flow_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS f ON (f.exchange = i.exchange) AND (f.market_type = i.market_type) AND (f.symbol = i.symbol) AND (f.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.impact_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS k ON (k.exchange = i.exchange) AND (k.market_type = i.market_type) AND (k.symbol = i.symbol) AND (k.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.spreads_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS s ON (s.exchange = i.exchange) AND (s.market_type = i.market_type) AND (s.symbol = i.symbol) AND (s.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.book_features_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS b ON (b.exchange = i.exchange) AND (b.market_type = i.market_type) AND (b.symbol = i.symbol) AND (b.bucket_id = i.bucket_id)
LEFT JOIN `marketprism_features.lob_dynamics_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS l ON (l.exchange = i.exchange) AND (l.market_type = i.market_type) AND (l.symbol = i.symbol) AND (l.bucket_id = i.bucket_id)
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        groupArray((available_at, realised_spread, price_impact)) OVER last_10 AS settled
    FROM `marketprism_features.realised_spread_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)})
    WINDOW last_10 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
) AS z ON (z.exchange = i.exchange) AND (z.market_type = i.market_type) AND (z.symbol = i.symbol) AND (z.bucket_id = i.bucket_id)
ASOF LEFT JOIN marketprism_features.trade_clusters AS c ON (c.exchange = i.exchange) AND (c.market_type = i.market_type) AND (c.symbol = i.symbol) AND (c.available_at <= i.available_at)
ASOF LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        run_ts,
        max(o.available_at) AS known_at,
        groupArray((o.cluster_price, o.total_vol, o.last_ts)) AS clusters
    FROM marketprism_features.footprint_clusters AS o
    WHERE run_ts >= (
        SELECT min(first_ts) - toIntervalMinute(11)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    )
    GROUP BY
        exchange,
        market_type,
        symbol,
        run_ts
) AS h ON (h.exchange = i.exchange) AND (h.market_type = i.market_type) AND (h.symbol = i.symbol) AND (h.known_at <= i.available_at)
ASOF LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        run_ts,
        max(o.available_at) AS known_at,
        groupArray((o.hours, o.cluster_price, o.candidate_type)) AS candidates
    FROM marketprism_features.footprint_candidates AS o
    WHERE run_ts >= (
        SELECT min(first_ts) - toIntervalMinute(11)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    )
    GROUP BY
        exchange,
        market_type,
        symbol,
        run_ts
) AS q ON (q.exchange = i.exchange) AND (q.market_type = i.market_type) AND (q.symbol = i.symbol) AND (q.known_at <= i.available_at)
