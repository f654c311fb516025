-- name:      footprint_candidates
-- purpose:   what the job of this name writes: the candidates of one window as of an instant
-- grain:     one row per (exchange, market_type, symbol, cluster_price) that is a candidate
-- inputs:    marketprism_features.footprint_candidates_at
-- time:      run_ts
SELECT
    toString(exchange) AS exchange, toString(market_type) AS market_type, toString(symbol) AS symbol,
    cluster_price, total_vol, delta, avg_range_bps, toString(candidate_type) AS candidate_type, return_since,
    toString(quality) AS quality
FROM marketprism_features.footprint_candidates_at(run_at = {at:DateTime64(3)}, hours = {hours:UInt32})
ORDER BY exchange, market_type, symbol, cluster_price
