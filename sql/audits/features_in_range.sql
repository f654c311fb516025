-- name:      features_in_range
-- purpose:   newest feature values lie where their definitions put them
-- grain:     one row per symbol with a value out of range
-- inputs:    marketprism_features.latest_features
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    the definitions in the catalogue
-- severity:  critical
-- every:     60 s
SELECT exchange, market_type, symbol, bucket_id, vpin, imbalance, kyle_r2, tob_imbalance, weighted_imbalance_5, spread_bps, low, vwap, high
FROM marketprism_features.latest_features
WHERE NOT (
    ifNull(vpin BETWEEN 0 AND 1, true)
    AND ifNull(imbalance BETWEEN 0 AND 1, true)
    AND ifNull(kyle_r2 BETWEEN -1e-9 AND 1 + 1e-9, true)
    AND ifNull(tob_imbalance BETWEEN -1 AND 1, true)
    AND ifNull(weighted_imbalance_5 BETWEEN -1 AND 1, true)
    AND ifNull(spread_bps > 0, true)
    AND ifNull(vwap BETWEEN toFloat64(low) * (1 - 1e-12) AND toFloat64(high) * (1 + 1e-12), true))
ORDER BY exchange, market_type, symbol
