-- name:      books_not_crossed
-- purpose:   the best bid is below the best ask in every published book and quote of the last ten minutes
-- grain:     one row per (exchange, market_type, symbol, table) with crossed or locked rows
-- inputs:    marketprism_hot.orderbooks, marketprism_hot.best_quotes
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    an exchange matches what crosses: such a row is a book out of step
-- severity:  warning
-- every:     60 s
SELECT exchange, market_type, symbol, table, count() AS crossed, min(timestamp) AS first_at, max(timestamp) AS last_at
FROM
(
    SELECT exchange, market_type, symbol, 'orderbooks' AS table, timestamp, best_bid_price AS bid, best_ask_price AS ask
    FROM marketprism_hot.orderbooks
    WHERE timestamp >= now('UTC') - INTERVAL 10 MINUTE
    UNION ALL
    SELECT exchange, market_type, symbol, 'best_quotes' AS table, timestamp, bid_price AS bid, ask_price AS ask
    FROM marketprism_hot.best_quotes
    WHERE timestamp >= now('UTC') - INTERVAL 10 MINUTE
)
WHERE bid > 0 AND ask > 0 AND bid >= ask
GROUP BY exchange, market_type, symbol, table
ORDER BY exchange, market_type, symbol, table
