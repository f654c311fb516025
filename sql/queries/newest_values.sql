-- name:      newest_values
-- purpose:   what every symbol looks like now, and how old that is
-- grain:     one row per (exchange, market_type, symbol)
-- inputs:    marketprism_features.latest_features
-- time:      bucket_ts_end
-- freshness: refreshed every second
-- lookahead: none
-- source:    latest_features
SELECT
    exchange,
    market_type,
    symbol,
    round(mid_price, 2) AS mid,
    round(spread_bps, 3) AS spread_bps,
    round(vpin, 4) AS vpin,
    kyle_lambda_ols,
    round(kyle_r2, 3) AS kyle_r2,
    poc_px,
    quality,
    staleness_ms + dateDiff('millisecond', updated_at, now64(6, 'UTC')) AS age_ms
FROM marketprism_features.latest_features
ORDER BY exchange, market_type, symbol
