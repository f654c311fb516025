-- name:      trade_ids_unique
-- purpose:   no trade of the last quarter of an hour is stored twice
-- grain:     one row per (exchange, market_type, symbol, trade_kind) with doubled sequences
-- inputs:    marketprism_hot.trades
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    exactly once
-- severity:  critical
-- every:     300 s
SELECT exchange, market_type, symbol, trade_kind, count() - uniqExact(sequence) AS doubled
FROM marketprism_hot.trades
WHERE timestamp >= now('UTC') - INTERVAL 15 MINUTE
GROUP BY exchange, market_type, symbol, trade_kind
HAVING doubled > 0
ORDER BY exchange, market_type, symbol, trade_kind
