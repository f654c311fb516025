-- name:      execution_prices_between
-- purpose:   what a backtest may trade at, at each instant, and what becomes of a position that meets a gap
-- grain:     one row per (exchange, market_type, symbol, ts) of the range
-- inputs:    marketprism_features.grid_panel_between
-- time:      ts
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design: mid, half the spread, and a penalty that grows with the age of the book; docs/history.md
--
-- Parameters: those of grid_panel_between but warm_rows, and penalty_bps_per_s. buy_price = mid + spread / 2 + penalty,
-- sell_price = mid - spread / 2 - penalty, penalty = mid * penalty_bps_per_s / 10000 * age of the book in seconds; NULL where
-- nothing can be traded (book too old, crossed, or a side empty).
-- A position that meets a gap: it stays as it is and keeps its last mark_price (NULL: unchanged); at the first tradable row
-- after, gap_exit is true and the position is closed at that row's price, which carries the whole move of the gap. New
-- positions wait for factors, which are NULL until their window lies in the new segment.
-- Which row is the first tradable one is known when the rows of the segment before it were: an exclusion that is told later
-- can hide them. So available_at covers them as long as gap_exit looks at them.
CREATE OR REPLACE VIEW marketprism_features.execution_prices_between
COMMENT 'gap-aware execution prices on a grid (parameters of grid_panel_between without warm_rows, and penalty_bps_per_s)'
AS SELECT
    e.exchange AS exchange,
    e.market_type AS market_type,
    e.symbol AS symbol,
    e.ts AS ts,
    e.segment_id AS segment_id,
    e.can_trade AS can_trade,
    if(e.can_trade, e.mid + e.spread / 2 + e.penalty, NULL) AS buy_price,
    if(e.can_trade, e.mid - e.spread / 2 - e.penalty, NULL) AS sell_price,
    if(e.quality IN ('ok', 'stale'), e.mid, NULL) AS mark_price,
    toBool(ifNull(e.can_trade AND e.tradable_rows = 1 AND dateDiff('millisecond', e.segment_from, e.ts) <= 61 * {grid_ms:UInt32}, false)) AS gap_exit,
    if(ifNull(dateDiff('millisecond', e.segment_from, e.ts) <= 61 * {grid_ms:UInt32}, false), e.rows_known_at, e.available_at) AS available_at,
    e.quality AS quality
FROM
(
    SELECT
        p.exchange AS exchange,
        p.market_type AS market_type,
        p.symbol AS symbol,
        p.ts AS ts,
        p.segment_id AS segment_id,
        p.segment_from AS segment_from,
        p.mid AS mid,
        p.spread AS spread,
        p.mid * {penalty_bps_per_s:Float64} / 10000 * p.staleness_ms / 1000 AS penalty,
        toBool(ifNull(p.mask_live AND p.spread > 0, false)) AS can_trade,
        countIf(ifNull(p.mask_live AND p.spread > 0, false)) OVER (PARTITION BY p.exchange, p.market_type, p.symbol, p.segment_id ORDER BY p.ts ROWS BETWEEN 60 PRECEDING AND CURRENT ROW) AS tradable_rows,
        p.available_at AS available_at,
        max(p.available_at) OVER (PARTITION BY p.exchange, p.market_type, p.symbol, p.segment_id ORDER BY p.ts ROWS BETWEEN 60 PRECEDING AND CURRENT ROW) AS rows_known_at,
        p.quality AS quality
    FROM marketprism_features.grid_panel_between(
            exchange = {exchange:String}, market_type = {market_type:String}, symbols = {symbols:Array(String)},
            from_ts = {from_ts:DateTime64(3, 'UTC')}, to_ts = {to_ts:DateTime64(3, 'UTC')}, grid_ms = {grid_ms:UInt32},
            stale_ms = {stale_ms:UInt32}, gap_ms = {gap_ms:UInt32}, carry_ms = {carry_ms:UInt32}, warm_rows = 60,
            segments_before = {segments_before:Array(Int64)}
    ) AS p
) AS e
WHERE e.ts >= {from_ts:DateTime64(3, 'UTC')};
