-- name:      bucket_ids_rise
-- purpose:   buckets of a day are numbered 1, 2, 3 … in the order of their trades; repaired by hand only
-- grain:     one row per bucket whose number does not follow the one before, or whose trades come before it
-- inputs:    marketprism_features.bucket_flow
-- time:      bucket_id
-- freshness: when read
-- lookahead: none
-- source:    design: bucket_id = YYYYMMDD * 1000000 + n
-- severity:  critical
-- every:     60 s
SELECT exchange, market_type, symbol, bucket_id, previous_id, first_sequence, previous_sequence
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        first_sequence,
        lagInFrame(bucket_id, 1, intDiv(bucket_id, 1000000) * 1000000) OVER preceding AS previous_id,
        lagInFrame(last_sequence, 1, toUInt64(0)) OVER preceding AS previous_sequence
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            f.bucket_id AS bucket_id,
            min(f.first_sequence) AS first_sequence,
            max(f.last_sequence) AS last_sequence
        FROM marketprism_features.bucket_flow AS f
        WHERE f.bucket_id >= toUInt64(toYYYYMMDD(now('UTC') - INTERVAL 1 DAY)) * 1000000
        GROUP BY exchange, market_type, symbol, f.bucket_id
    )
    WINDOW preceding AS (
        PARTITION BY exchange, market_type, symbol, intDiv(bucket_id, 1000000)
        ORDER BY bucket_id ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    )
)
WHERE bucket_id != previous_id + 1 OR first_sequence <= previous_sequence
ORDER BY exchange, market_type, symbol, bucket_id
