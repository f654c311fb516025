-- name:      yesterday_verified
-- purpose:   yesterday's trades and buckets agree: volume, trades, and numbers 1 … n without a hole
-- grain:     one row per (exchange, market_type, symbol) that disagrees
-- inputs:    marketprism_features.all_trades, marketprism_features.bucket_flow
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    exact decimal sums of both sides of the whole day
-- severity:  critical
-- every:     3600 s
SELECT
    exchange, market_type, symbol,
    sum(signed_volume) AS volume_difference, sum(signed_trades) AS trade_difference, sum(signed_buckets) AS bucket_difference
FROM
(
    SELECT
        exchange, market_type, symbol,
        sum(quantity) AS signed_volume, toInt64(count()) AS signed_trades, toInt64(uniqExact(bucket_id)) AS signed_buckets,
        max(created_at) AS stored_at
    FROM marketprism_features.all_trades
    WHERE toYYYYMMDD(timestamp) = toYYYYMMDD(now('UTC') - INTERVAL 1 DAY) AND bucket_id != 0
    GROUP BY exchange, market_type, symbol
    UNION ALL
    SELECT
        exchange, market_type, symbol,
        -sum(f.vol) AS signed_volume, -toInt64(sum(f.trades)) AS signed_trades, -toInt64(max(f.bucket_id) % 1000000) AS signed_buckets,
        toDateTime64(0, 6, 'UTC') AS stored_at
    FROM marketprism_features.bucket_flow AS f
    WHERE intDiv(f.bucket_id, 1000000) = toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)
    GROUP BY exchange, market_type, symbol
)
GROUP BY exchange, market_type, symbol
HAVING (volume_difference != 0 OR trade_difference != 0 OR bucket_difference != 0)
    AND sum(signed_trades > 0) > 0 AND max(stored_at) < now('UTC') - INTERVAL 1 MINUTE
ORDER BY exchange, market_type, symbol
