-- name:      panel_factors_between
-- purpose:   rolling factors of the grid panel, inside a segment only and across midnight
-- grain:     one row per (exchange, market_type, symbol, ts) of the range
-- inputs:    marketprism_features.grid_panel_between
-- time:      ts
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, grid panels: docs/history.md
--
-- Parameters: those of grid_panel_between but warm_rows, and window (rows). A factor is NULL unless the row is live, not
-- crossed, and the window and the row before it lie in the row's segment: a window that reaches a gap is no window.
-- available_at is the latest of the window and the row before it: what came late into an earlier row changes the factor then.
CREATE OR REPLACE VIEW marketprism_features.panel_factors_between
COMMENT 'rolling factors on a grid (parameters of grid_panel_between without warm_rows, and window)'
AS SELECT
    f.exchange AS exchange,
    f.market_type AS market_type,
    f.symbol AS symbol,
    f.ts AS ts,
    f.segment_id AS segment_id,
    f.mask_live AS mask_live,
    f.window_rows AS window_rows,
    toBool(ifNull(f.mask_live AND f.spread > 0 AND f.window_rows > {window:UInt32}, false)) AS is_warm,
    if(is_warm, log(f.mid / f.oldest_mid), NULL) AS momentum,
    if(is_warm, sqrt(f.squares), NULL) AS realised_volatility,
    if(is_warm, (f.mid - f.mean_mid) / nullIf(f.deviation_mid, 0), NULL) AS mid_zscore,
    if(is_warm, f.signed_flow / nullIf(f.flow, 0), NULL) AS flow_imbalance,
    if(is_warm, (f.mid / nullIf(f.flow / nullIf(f.volume, 0), 0) - 1) * 10000, NULL) AS vwap_distance_bps,
    if(is_warm, f.mean_spread_bps, NULL) AS spread_bps_mean,
    f.available_at AS available_at,
    multiIf(f.quality != 'ok', f.quality, NOT is_warm, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        p.exchange AS exchange,
        p.market_type AS market_type,
        p.symbol AS symbol,
        p.ts AS ts,
        p.segment_id AS segment_id,
        p.mask_live AS mask_live,
        p.mid AS mid,
        p.spread AS spread,
        max(p.available_at) OVER whole AS available_at,
        p.quality AS quality,
        count(p.mid) OVER whole AS window_rows,
        first_value(p.mid) OVER whole AS oldest_mid,
        sum(p.log_return * p.log_return) OVER inside AS squares,
        avg(p.mid) OVER inside AS mean_mid,
        stddevPopStable(p.mid) OVER inside AS deviation_mid,
        sum(p.signed_dv) OVER inside AS signed_flow,
        sum(p.dollar_vol) OVER inside AS flow,
        sum(p.vol) OVER inside AS volume,
        avg(p.spread / p.mid * 10000) OVER inside AS mean_spread_bps
    FROM
    (
        SELECT
            p.*,
            log(p.mid / lagInFrame(p.mid) OVER (PARTITION BY p.exchange, p.market_type, p.symbol, p.segment_id ORDER BY p.ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) AS log_return
        FROM marketprism_features.grid_panel_between(
            exchange = {exchange:String}, market_type = {market_type:String}, symbols = {symbols:Array(String)},
            from_ts = {from_ts:DateTime64(3, 'UTC')}, to_ts = {to_ts:DateTime64(3, 'UTC')}, grid_ms = {grid_ms:UInt32},
            stale_ms = {stale_ms:UInt32}, gap_ms = {gap_ms:UInt32}, carry_ms = {carry_ms:UInt32}, warm_rows = {window:UInt32},
            segments_before = {segments_before:Array(Int64)}
        ) AS p
    ) AS p
    WINDOW
        whole AS (PARTITION BY p.exchange, p.market_type, p.symbol, p.segment_id ORDER BY p.ts ROWS BETWEEN {window:UInt32} PRECEDING AND CURRENT ROW),
        inside AS (PARTITION BY p.exchange, p.market_type, p.symbol, p.segment_id ORDER BY p.ts ROWS BETWEEN {window:UInt32} - 1 PRECEDING AND CURRENT ROW)
) AS f
WHERE f.ts >= {from_ts:DateTime64(3, 'UTC')};
