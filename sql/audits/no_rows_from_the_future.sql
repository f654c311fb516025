-- name:      no_rows_from_the_future
-- purpose:   no stored row carries an exchange time more than a minute ahead of the server
-- grain:     one row per (table, exchange, market_type, symbol)
-- inputs:    marketprism_hot.trades, marketprism_hot.orderbooks
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    a clock or a unit (ms, µs) is wrong
-- severity:  critical
-- every:     300 s
SELECT table, exchange, market_type, symbol, count() AS ahead, max(timestamp) AS newest
FROM
(
    SELECT 'trades' AS table, exchange, market_type, symbol, timestamp
    FROM marketprism_hot.trades
    WHERE timestamp > now('UTC') + INTERVAL 1 MINUTE
    UNION ALL
    SELECT 'orderbooks' AS table, exchange, market_type, symbol, timestamp
    FROM marketprism_hot.orderbooks
    WHERE timestamp > now('UTC') + INTERVAL 1 MINUTE
)
GROUP BY table, exchange, market_type, symbol
ORDER BY table, exchange, market_type, symbol
