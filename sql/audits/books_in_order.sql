-- name:      books_in_order
-- purpose:   levels of the last two minutes' books are sorted, paired, and begin with the best
-- grain:     one row per (exchange, market_type, symbol) with broken books
-- inputs:    marketprism_hot.orderbooks
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    the wire contract
-- severity:  critical
-- every:     300 s
SELECT exchange, market_type, symbol, count() AS broken, min(sequence) AS first_broken
FROM marketprism_hot.orderbooks
WHERE timestamp >= now('UTC') - INTERVAL 2 MINUTE AND NOT (
    length(bid_prices) = length(bid_quantities)
    AND length(ask_prices) = length(ask_quantities)
    AND bid_prices = arrayReverseSort(arrayDistinct(bid_prices))
    AND ask_prices = arraySort(arrayDistinct(ask_prices))
    AND (empty(bid_prices) OR bid_prices[1] = toFloat64(best_bid_price))
    AND (empty(ask_prices) OR ask_prices[1] = toFloat64(best_ask_price)))
GROUP BY exchange, market_type, symbol
ORDER BY exchange, market_type, symbol
