-- name:      grid_panel
-- purpose:   the merged panel of books and trades with the usual limits: live for 3 s, a new segment after 5 s, shown for 60 s
-- grain:     one row per (exchange, market_type, symbol, ts)
-- inputs:    marketprism_features.grid_panel_between
-- time:      ts
-- freshness: when read
-- lookahead: none
-- source:    the input's own
--
-- Parameters: exchange, market_type, symbols, from_ts, to_ts, grid_ms.
CREATE VIEW IF NOT EXISTS marketprism_features.grid_panel
COMMENT 'books and trades of several symbols on a grid (parameters exchange, market_type, symbols, from_ts, to_ts, grid_ms)'
AS SELECT *
FROM marketprism_features.grid_panel_between(
    exchange = {exchange:String}, market_type = {market_type:String}, symbols = {symbols:Array(String)},
    from_ts = {from_ts:DateTime64(3, 'UTC')}, to_ts = {to_ts:DateTime64(3, 'UTC')}, grid_ms = {grid_ms:UInt32},
    stale_ms = 3000, gap_ms = 5000, carry_ms = 60000, warm_rows = 0, segments_before = []
)
ORDER BY symbol, ts;
