-- name:      buckets_within_limits
-- purpose:   no bucket since yesterday spans more than its time limit
-- grain:     one row per bucket that is too long
-- inputs:    marketprism_features.bucket_flow
-- time:      bucket_id
-- freshness: when read
-- lookahead: none
-- source:    the trade at first + t_max opens the next; a second is allowed for trades whose times run backwards
-- severity:  critical
-- every:     300 s
SELECT exchange, market_type, symbol, bucket_id, dateDiff('millisecond', first_ts, last_ts) AS length_ms, t_max_ms
FROM
(
    SELECT
        exchange, market_type, symbol, f.bucket_id AS bucket_id,
        min(f.first_ts) AS first_ts, max(f.last_ts) AS last_ts, max(f.t_max_ms) AS t_max_ms
    FROM marketprism_features.bucket_flow AS f
    WHERE f.bucket_id >= toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000
    GROUP BY exchange, market_type, symbol, f.bucket_id
)
WHERE length_ms > t_max_ms + 1000
ORDER BY exchange, market_type, symbol, bucket_id
