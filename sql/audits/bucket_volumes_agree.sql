-- name:      bucket_volumes_agree
-- purpose:   trades and buckets of the last two hours agree to the last digit
-- grain:     one row per bucket that disagrees
-- inputs:    marketprism_hot.trades, marketprism_features.bucket_flow
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    exact decimal sums of both sides; buckets that took a trade within the last minute are left to the next run
-- severity:  critical
-- every:     300 s
SELECT exchange, market_type, symbol, bucket_id, sum(signed_volume) AS volume_difference, sum(signed_trades) AS trade_difference
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id,
        sum(quantity) AS signed_volume, toInt64(count()) AS signed_trades, min(timestamp) AS first_ts, max(created_at) AS stored_at
    FROM marketprism_hot.trades
    WHERE timestamp >= now('UTC') - INTERVAL 130 MINUTE AND bucket_id != 0
    GROUP BY exchange, market_type, symbol, bucket_id
    UNION ALL
    SELECT
        exchange, market_type, symbol, f.bucket_id AS bucket_id,
        -sum(f.vol) AS signed_volume, -toInt64(sum(f.trades)) AS signed_trades, min(f.first_ts) AS first_ts,
        toDateTime64(0, 6, 'UTC') AS stored_at
    FROM marketprism_features.bucket_flow AS f
    WHERE f.bucket_id >= toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000 AND f.last_ts >= now('UTC') - INTERVAL 130 MINUTE
    GROUP BY exchange, market_type, symbol, f.bucket_id
)
GROUP BY exchange, market_type, symbol, bucket_id
HAVING (volume_difference != 0 OR trade_difference != 0)
    AND min(first_ts) >= now('UTC') - INTERVAL 120 MINUTE AND max(stored_at) < now('UTC') - INTERVAL 1 MINUTE
ORDER BY exchange, market_type, symbol, bucket_id
