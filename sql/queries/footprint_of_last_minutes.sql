-- name:      footprint_of_last_minutes
-- purpose:   where the last ten minutes traded: volume per price bin, and each minute's point of control and value area
-- grain:     one row per (exchange, market_type, symbol, ts_1m, px_bin)
-- inputs:    marketprism_features.footprint_1m, marketprism_features.footprint_profile_1m
-- time:      ts_1m
-- freshness: on insert
-- lookahead: none
-- source:    footprint_1m
SELECT f.exchange, f.market_type, f.symbol, f.ts_1m, f.px, f.ask_vol, f.bid_vol, f.delta, p.poc_px, p.value_area_low, p.value_area_high
FROM marketprism_features.footprint_1m AS f
INNER JOIN marketprism_features.footprint_profile_1m AS p
    ON p.exchange = f.exchange AND p.market_type = f.market_type AND p.symbol = f.symbol AND p.ts_1m = f.ts_1m
WHERE f.ts_1m >= now('UTC') - INTERVAL 10 MINUTE AND p.ts_1m >= now('UTC') - INTERVAL 10 MINUTE
ORDER BY f.exchange, f.market_type, f.symbol, f.ts_1m, f.px DESC
