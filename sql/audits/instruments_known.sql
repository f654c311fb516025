-- name:      instruments_known
-- purpose:   every symbol that traded in the last ten minutes has its metadata
-- grain:     one row per symbol without
-- inputs:    marketprism_hot.trades, marketprism_hot.instruments
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    tick and multiplier come from exchange metadata
-- severity:  warning
-- every:     300 s
SELECT exchange, market_type, symbol, count() AS trades
FROM marketprism_hot.trades
WHERE timestamp >= now('UTC') - INTERVAL 10 MINUTE AND (exchange, market_type, symbol) NOT IN (
    SELECT exchange, market_type, symbol FROM marketprism_hot.instruments)
GROUP BY exchange, market_type, symbol
ORDER BY exchange, market_type, symbol
