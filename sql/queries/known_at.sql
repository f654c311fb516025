-- name:      known_at
-- purpose:   what a strategy could have known of each symbol at a moment: the newest bucket available by then
-- grain:     one row per (exchange, market_type, symbol)
-- inputs:    marketprism_features.vpin_by_bucket
-- time:      available_at
-- freshness: when read
-- lookahead: none
-- source:    as-of read on available_at, never on bucket_ts_end
-- The newest bucket, not the one that became known last: a late trade dates the 50 buckets whose windows hold it anew.
WITH now64(6, 'UTC') - INTERVAL 5 MINUTE AS moment
SELECT
    v.exchange AS exchange,
    v.market_type AS market_type,
    v.symbol AS symbol,
    max(v.bucket_id) AS bucket_id,
    argMax(tuple(v.vpin), v.bucket_id).1 AS vpin,
    dateDiff('millisecond', argMax(v.available_at, v.bucket_id), moment) AS age_ms
FROM marketprism_features.vpin_by_bucket AS v
WHERE v.available_at <= moment
GROUP BY exchange, market_type, symbol
ORDER BY exchange, market_type, symbol
