-- name:      panel_ranks_between
-- purpose:   where each symbol stands among those that are live at the same instant, by each rolling factor
-- grain:     one row per (exchange, market_type, symbol, ts) of the range
-- inputs:    marketprism_features.panel_factors_between
-- time:      ts
-- freshness: when read
-- lookahead: none
-- source:    rank of a value among n: (average place - 1) / (n - 1), 0 lowest, 1 highest; 0.5 when it is alone
--
-- Parameters: those of panel_factors_between. Only symbols with mask_live and with the factor are ranked and counted; the
-- cross-section is what symbols names: pass the universe of the day.
CREATE VIEW IF NOT EXISTS marketprism_features.panel_ranks_between
COMMENT 'cross-sectional ranks of live symbols on a grid (parameters of panel_factors_between)'
AS SELECT
    r.exchange AS exchange,
    r.market_type AS market_type,
    r.symbol AS symbol,
    r.ts AS ts,
    r.segment_id AS segment_id,
    r.mask_live AS mask_live,
    r.live_symbols AS live_symbols,
    if(r.mask_live AND r.momentum IS NOT NULL, if(r.momentum_live = 1, 0.5, (r.momentum_place - 1 + (r.momentum_ties - 1) / 2) / (r.momentum_live - 1)), NULL) AS momentum_rank,
    if(r.mask_live AND r.realised_volatility IS NOT NULL, if(r.realised_volatility_live = 1, 0.5, (r.realised_volatility_place - 1 + (r.realised_volatility_ties - 1) / 2) / (r.realised_volatility_live - 1)), NULL) AS realised_volatility_rank,
    if(r.mask_live AND r.mid_zscore IS NOT NULL, if(r.mid_zscore_live = 1, 0.5, (r.mid_zscore_place - 1 + (r.mid_zscore_ties - 1) / 2) / (r.mid_zscore_live - 1)), NULL) AS mid_zscore_rank,
    if(r.mask_live AND r.flow_imbalance IS NOT NULL, if(r.flow_imbalance_live = 1, 0.5, (r.flow_imbalance_place - 1 + (r.flow_imbalance_ties - 1) / 2) / (r.flow_imbalance_live - 1)), NULL) AS flow_imbalance_rank,
    if(r.mask_live AND r.vwap_distance_bps IS NOT NULL, if(r.vwap_distance_bps_live = 1, 0.5, (r.vwap_distance_bps_place - 1 + (r.vwap_distance_bps_ties - 1) / 2) / (r.vwap_distance_bps_live - 1)), NULL) AS vwap_distance_bps_rank,
    if(r.mask_live AND r.spread_bps_mean IS NOT NULL, if(r.spread_bps_mean_live = 1, 0.5, (r.spread_bps_mean_place - 1 + (r.spread_bps_mean_ties - 1) / 2) / (r.spread_bps_mean_live - 1)), NULL) AS spread_bps_mean_rank,
    r.available_at AS available_at,
    r.quality AS quality
FROM
(
    SELECT
        f.exchange AS exchange,
        f.market_type AS market_type,
        f.symbol AS symbol,
        f.ts AS ts,
        f.segment_id AS segment_id,
        f.mask_live AS mask_live,
        f.quality AS quality,
        f.momentum AS momentum,
        f.realised_volatility AS realised_volatility,
        f.mid_zscore AS mid_zscore,
        f.flow_imbalance AS flow_imbalance,
        f.vwap_distance_bps AS vwap_distance_bps,
        f.spread_bps_mean AS spread_bps_mean,
        countIf(f.mask_live) OVER (PARTITION BY f.exchange, f.market_type, f.ts) AS live_symbols,
        max(f.available_at) OVER (PARTITION BY f.exchange, f.market_type, f.ts) AS available_at,
        rank() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.momentum IS NOT NULL ORDER BY f.momentum) AS momentum_place,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.momentum IS NOT NULL, f.momentum) AS momentum_ties,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.momentum IS NOT NULL) AS momentum_live,
        rank() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.realised_volatility IS NOT NULL ORDER BY f.realised_volatility) AS realised_volatility_place,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.realised_volatility IS NOT NULL, f.realised_volatility) AS realised_volatility_ties,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.realised_volatility IS NOT NULL) AS realised_volatility_live,
        rank() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.mid_zscore IS NOT NULL ORDER BY f.mid_zscore) AS mid_zscore_place,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.mid_zscore IS NOT NULL, f.mid_zscore) AS mid_zscore_ties,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.mid_zscore IS NOT NULL) AS mid_zscore_live,
        rank() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.flow_imbalance IS NOT NULL ORDER BY f.flow_imbalance) AS flow_imbalance_place,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.flow_imbalance IS NOT NULL, f.flow_imbalance) AS flow_imbalance_ties,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.flow_imbalance IS NOT NULL) AS flow_imbalance_live,
        rank() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.vwap_distance_bps IS NOT NULL ORDER BY f.vwap_distance_bps) AS vwap_distance_bps_place,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.vwap_distance_bps IS NOT NULL, f.vwap_distance_bps) AS vwap_distance_bps_ties,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.vwap_distance_bps IS NOT NULL) AS vwap_distance_bps_live,
        rank() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.spread_bps_mean IS NOT NULL ORDER BY f.spread_bps_mean) AS spread_bps_mean_place,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.spread_bps_mean IS NOT NULL, f.spread_bps_mean) AS spread_bps_mean_ties,
        count() OVER (PARTITION BY f.exchange, f.market_type, f.ts, f.mask_live AND f.spread_bps_mean IS NOT NULL) AS spread_bps_mean_live
    FROM marketprism_features.panel_factors_between(
            exchange = {exchange:String}, market_type = {market_type:String}, symbols = {symbols:Array(String)},
            from_ts = {from_ts:DateTime64(3, 'UTC')}, to_ts = {to_ts:DateTime64(3, 'UTC')}, grid_ms = {grid_ms:UInt32},
            stale_ms = {stale_ms:UInt32}, gap_ms = {gap_ms:UInt32}, carry_ms = {carry_ms:UInt32},
            segments_before = {segments_before:Array(Int64)}, window = {window:UInt32}
    ) AS f
) AS r;
