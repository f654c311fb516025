-- name:      gaps_repaired
-- purpose:   every hole that was told in the last hour has been repaired
-- grain:     one row per open hole
-- inputs:    marketprism_hot.gaps
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    the collector repairs from REST; what it cannot repair stays a row
-- severity:  warning
-- every:     300 s
SELECT exchange, market_type, symbol, of_type, from_sequence, to_sequence, any(cause) AS cause
FROM marketprism_hot.gaps
WHERE timestamp >= now('UTC') - INTERVAL 1 HOUR
GROUP BY exchange, market_type, symbol, of_type, from_sequence, to_sequence
HAVING NOT max(repaired)
ORDER BY exchange, market_type, symbol, of_type, from_sequence
