-- name:      clocks_agree
-- purpose:   half of the last five minutes' live trades arrived within -1 s … 10 s of their exchange time
-- grain:     one row per (exchange, market_type) off by more
-- inputs:    marketprism_hot.trades
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    a skewed clock breaks validation and every as-of read
-- severity:  warning
-- every:     60 s
SELECT exchange, market_type, quantile(0.5)(dateDiff('millisecond', timestamp, received_at)) AS median_delay_ms, count() AS trades
FROM marketprism_hot.trades
WHERE timestamp >= now('UTC') - INTERVAL 5 MINUTE AND created_at >= now('UTC') - INTERVAL 5 MINUTE AND data_source = 'marketprism'
GROUP BY exchange, market_type
HAVING median_delay_ms < -1000 OR median_delay_ms > 10000
ORDER BY exchange, market_type
