-- name:      volume_audit
-- purpose:   trades and buckets must agree to the last digit: any row is an error
-- grain:     one row per (exchange, market_type, symbol, day) that disagrees
-- inputs:    marketprism_features.all_trades, marketprism_features.bucket_flow
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    exact decimal sums of both sides
SELECT exchange, market_type, symbol, day, sum(signed) AS difference
FROM
(
    SELECT exchange, market_type, symbol, intDiv(bucket_id, 1000000) AS day, sum(quantity) AS signed
    FROM marketprism_features.all_trades
    WHERE bucket_id != 0
    GROUP BY exchange, market_type, symbol, day
    UNION ALL
    SELECT exchange, market_type, symbol, intDiv(bucket_id, 1000000) AS day, -sum(vol) AS signed
    FROM marketprism_features.bucket_flow
    GROUP BY exchange, market_type, symbol, day
)
GROUP BY exchange, market_type, symbol, day
HAVING difference != 0
