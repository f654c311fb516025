-- name:      days_have_plans
-- purpose:   every symbol-day with buckets has its frozen plan, so that it can be rebuilt alike
-- grain:     one row per (exchange, market_type, symbol, day) without a plan
-- inputs:    marketprism_features.bucket_flow, marketprism_features.bucket_days
-- time:      bucket_id
-- freshness: when read
-- lookahead: none
-- source:    design: config is frozen per (symbol, day) before its first trade
-- severity:  critical
-- every:     3600 s
SELECT exchange, market_type, symbol, day, buckets
FROM
(
    SELECT exchange, market_type, symbol, intDiv(f.bucket_id, 1000000) AS day, uniqExact(f.bucket_id) AS buckets
    FROM marketprism_features.bucket_flow AS f
    WHERE f.bucket_id >= toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000
    GROUP BY exchange, market_type, symbol, day
)
WHERE (exchange, market_type, symbol, day) NOT IN (
    SELECT exchange, market_type, symbol, toUInt64(toYYYYMMDD(day)) FROM marketprism_features.bucket_days)
ORDER BY exchange, market_type, symbol, day
