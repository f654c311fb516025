-- name:      funding_in_range
-- purpose:   funding rates of the last hour are within ±5 % an interval
-- grain:     one row per (exchange, market_type, symbol) out of range
-- inputs:    marketprism_hot.funding_rates
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    exchanges cap them far below; more is a wrong unit
-- severity:  warning
-- every:     300 s
SELECT exchange, market_type, symbol, min(funding_rate) AS lowest, max(funding_rate) AS highest
FROM marketprism_hot.funding_rates
WHERE timestamp >= now('UTC') - INTERVAL 1 HOUR AND abs(funding_rate) > 0.05
GROUP BY exchange, market_type, symbol
ORDER BY exchange, market_type, symbol
