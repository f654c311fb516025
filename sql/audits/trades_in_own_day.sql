-- name:      trades_in_own_day
-- purpose:   a trade's bucket belongs to the UTC day of the trade
-- grain:     one row per (exchange, market_type, symbol, day) with misplaced trades
-- inputs:    marketprism_hot.trades
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    design: buckets restart at UTC midnight
-- severity:  critical
-- every:     300 s
SELECT exchange, market_type, symbol, toYYYYMMDD(timestamp) AS day, count() AS misplaced, min(sequence) AS first_misplaced
FROM marketprism_hot.trades
WHERE timestamp >= now('UTC') - INTERVAL 1 DAY AND bucket_id != 0 AND intDiv(bucket_id, 1000000) != toYYYYMMDD(timestamp)
GROUP BY exchange, market_type, symbol, day
ORDER BY exchange, market_type, symbol, day
