-- name:      known_at
-- purpose:   what a strategy could have known of each symbol at a moment: the newest bucket available by then
-- grain:     one row per (exchange, market_type, symbol)
-- inputs:    marketprism_features.vpin_by_bucket
-- time:      available_at
-- freshness: when read
-- lookahead: none
-- source:    as-of read on available_at, never on bucket_ts_end
WITH now64(6, 'UTC') - INTERVAL 5 MINUTE AS moment
SELECT
    exchange,
    market_type,
    symbol,
    argMax(bucket_id, available_at) AS bucket_id,
    argMax(tuple(vpin), available_at).1 AS vpin,
    dateDiff('millisecond', max(available_at), moment) AS age_ms
FROM marketprism_features.vpin_by_bucket
WHERE available_at <= moment
GROUP BY exchange, market_type, symbol
ORDER BY exchange, market_type, symbol
