-- name:      unified_features_1m_between
-- purpose:   every minute feature side by side, for a range of time
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.trades_1m, marketprism_features.vpin_1m_between, marketprism_features.price_impact_1m_between, marketprism_features.spread_analysis_1m_between, marketprism_features.rv_decomposition_1m_between, marketprism_features.volatility_1m_between, marketprism_features.returns_1m_between, marketprism_features.trade_flow_1m_between, marketprism_features.book_features_1m_between, marketprism_features.lob_dynamics_1m_between
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    the inputs' own
--
-- What is computed from raw rows is there from since on, so that the newest minute can be had without reading the hour
-- before it. cvd is not: it adds up the day's minutes, which begin before since.
-- Parameters from_ts and to_ts bound the exchange time. A caller starts a day early for the regime and cvd, 65 minutes early
-- for returns. vpin is the mean over five minutes; the minute's own is vpin_approx.
-- What was received is on its way for a moment: the clock alone closes nothing before 3 s have passed.
CREATE OR REPLACE VIEW marketprism_features.unified_features_1m_between
COMMENT 'every minute feature side by side (parameters from_ts, to_ts, since)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.ts_1m AS ts_1m,
    t.total_volume AS total_volume,
    t.buy_volume AS buy_volume,
    t.sell_volume AS sell_volume,
    t.trade_count AS trade_count,
    t.flow_imbalance AS flow_imbalance,
    t.avg_trade_size AS avg_trade_size,
    t.notional AS notional,
    t.vwap AS vwap,
    t.open AS open,
    t.high AS high,
    t.low AS low,
    t.close AS close,
    t.buy_volume - t.sell_volume AS signed_volume,
    v.vpin_approx AS vpin_approx,
    v.vpin_approx_5m AS vpin,
    p.kyle_lambda AS kyle_lambda,
    p.amihud_illiq AS amihud_illiq,
    p.effective_spread_buy AS effective_spread_buy,
    p.effective_spread_sell AS effective_spread_sell,
    s.effective_spread AS effective_spread,
    s.quoted_spread AS quoted_spread,
    s.spread_ratio AS spread_ratio,
    r.rv_total AS rv_total,
    r.rv_jump AS rv_jump,
    r.rv_continuous AS rv_continuous,
    r.jump_ratio AS jump_ratio,
    w.realised_variance AS realised_variance,
    w.bipower_variance AS bipower_variance,
    w.medrv AS medrv,
    w.minrv AS minrv,
    w.semivariance_down AS semivariance_down,
    w.semivariance_up AS semivariance_up,
    w.jump_share AS jump_share,
    w.bns_z AS bns_z,
    w.lee_mykland AS lee_mykland,
    w.is_jump AS is_jump,
    w.corwin_schultz_bps AS corwin_schultz_bps,
    w.regime AS regime,
    q.log_return_1 AS log_return_1,
    q.log_return_3 AS log_return_3,
    q.log_return_5 AS log_return_5,
    q.log_return_10 AS log_return_10,
    q.log_return_30 AS log_return_30,
    q.log_return_60 AS log_return_60,
    q.momentum_10 AS momentum_10,
    q.momentum_60 AS momentum_60,
    q.drawdown_60 AS drawdown_60,
    q.price_volume_momentum_10 AS price_volume_momentum_10,
    q.trade_impulse AS trade_impulse,
    toNullable(t.day_cvd) AS cvd,
    if(f.ts_1m = 0, NULL, f.avg_trade_quote) AS avg_trade_quote,
    if(f.ts_1m = 0, NULL, f.trades_per_s) AS trades_per_s,
    if(f.ts_1m = 0, NULL, f.quote_per_s) AS quote_per_s,
    f.direction_persistence AS direction_persistence,
    if(f.ts_1m = 0, NULL, f.large_buy_quote) AS large_buy_quote,
    if(f.ts_1m = 0, NULL, f.large_sell_quote) AS large_sell_quote,
    if(f.ts_1m = 0, NULL, f.retail_buy_quote) AS retail_buy_quote,
    if(f.ts_1m = 0, NULL, f.retail_sell_quote) AS retail_sell_quote,
    f.large_imbalance AS large_imbalance,
    f.retail_imbalance AS retail_imbalance,
    f.buy_hhi AS buy_hhi,
    f.sell_hhi AS sell_hhi,
    if(f.ts_1m = 0, NULL, f.tw_cvd) AS tw_cvd,
    f.roll_spread_bps AS roll_spread_bps,
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
    if(b.ts_1m = 0, NULL, b.staleness_ms) AS book_staleness_ms,
    l.bid_add_rate AS bid_add_rate,
    l.bid_cancel_rate AS bid_cancel_rate,
    l.bid_net_rate AS bid_net_rate,
    l.ask_add_rate AS ask_add_rate,
    l.ask_cancel_rate AS ask_cancel_rate,
    l.ask_net_rate AS ask_net_rate,
    if(l.ts_1m = 0, NULL, l.ofi_l1) AS ofi_l1,
    l.ofi_l5 AS ofi_l5,
    if(l.ts_1m = 0, NULL, l.updates) AS book_updates,
    if(l.ts_1m = 0, NULL, l.books) AS books,
    greatest(t.day_known, v.available_at, p.available_at, s.available_at, r.available_at, w.available_at, q.available_at, f.available_at, b.available_at, l.available_at) AS available_at,
    multiIf(
        now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial',
        v.quality = 'gap' OR p.quality = 'gap' OR s.quality = 'gap' OR r.quality = 'gap' OR w.quality = 'gap' OR q.quality = 'gap' OR f.quality = 'gap' OR b.quality = 'gap' OR l.quality = 'gap', 'gap',
        w.quality = 'warmup' OR q.quality = 'warmup', 'warmup',
        b.mid IS NULL, 'stale',
        'ok'
    ) AS quality
FROM
(
    SELECT
        *,
        sum(buy_volume - sell_volume) OVER of_day AS day_cvd,
        max(available_at) OVER of_day AS day_known
    FROM marketprism_features.trades_1m
    WHERE ts_1m BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}
    WINDOW of_day AS (
        PARTITION BY exchange, market_type, symbol, toDate(ts_1m) ORDER BY ts_1m ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
) AS t
LEFT JOIN marketprism_features.vpin_1m_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS v
    ON v.exchange = t.exchange AND v.market_type = t.market_type AND v.symbol = t.symbol AND v.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.price_impact_1m_between(from_ts = {since:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS p
    ON p.exchange = t.exchange AND p.market_type = t.market_type AND p.symbol = t.symbol AND p.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.spread_analysis_1m_between(from_ts = {since:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS s
    ON s.exchange = t.exchange AND s.market_type = t.market_type AND s.symbol = t.symbol AND s.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.rv_decomposition_1m_between(from_ts = {since:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS r
    ON r.exchange = t.exchange AND r.market_type = t.market_type AND r.symbol = t.symbol AND r.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.volatility_1m_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS w
    ON w.exchange = t.exchange AND w.market_type = t.market_type AND w.symbol = t.symbol AND w.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.returns_1m_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS q
    ON q.exchange = t.exchange AND q.market_type = t.market_type AND q.symbol = t.symbol AND q.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.trade_flow_1m_between(from_ts = {since:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS f
    ON f.exchange = t.exchange AND f.market_type = t.market_type AND f.symbol = t.symbol AND f.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.book_features_1m_between(from_ts = {since:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS b
    ON b.exchange = t.exchange AND b.market_type = t.market_type AND b.symbol = t.symbol AND b.ts_1m = t.ts_1m
LEFT JOIN marketprism_features.lob_dynamics_1m_between(from_ts = {since:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)}) AS l
    ON l.exchange = t.exchange AND l.market_type = t.market_type AND l.symbol = t.symbol AND l.ts_1m = t.ts_1m;
