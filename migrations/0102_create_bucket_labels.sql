-- name:      bucket_labels
-- purpose:   what the price did after each bucket: returns per second over the next buckets, returns over time, classes
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets outside excluded_intervals
-- inputs:    marketprism_features.unified_buckets, marketprism_features.all_orderbooks, marketprism_features.excluded_intervals
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: label
-- source:    log returns of the as-of mid; buckets differ in length, so returns over buckets are per second only
--
-- The mid is that of the last book at or before an instant; one older than 60 s, or one-sided, is none. A label over five
-- buckets is left out when anything between the bucket's start and the horizon's end is excluded. known_at says when the
-- longest horizon had passed; nothing outside this database may read these rows.
CREATE VIEW IF NOT EXISTS marketprism_labels.bucket_labels
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    mid Nullable(Float64) COMMENT 'mid as of the bucket\'s end, quote units',
    return_per_s_1 Nullable(Float64) COMMENT 'log return of the mid to the end of the next bucket, per second between the ends; NULL when that is 0',
    return_per_s_3 Nullable(Float64) COMMENT 'log return of the mid to the end of the 3rd bucket after, per second between the ends; NULL when that is 0',
    return_per_s_5 Nullable(Float64) COMMENT 'log return of the mid to the end of the 5th bucket after, per second between the ends; NULL when that is 0',
    return_per_s_10 Nullable(Float64) COMMENT 'log return of the mid to the end of the 10th bucket after, per second between the ends; NULL when that is 0',
    return_30s Nullable(Float64) COMMENT 'log return of the as-of mid over the next 30 s',
    return_1m Nullable(Float64) COMMENT 'log return of the as-of mid over the next minute',
    return_5m Nullable(Float64) COMMENT 'log return of the as-of mid over the next five minutes',
    class_fixed Nullable(Int16) COMMENT '1, 0 or -1: return_per_s_5 against 0.001 % per second',
    past_deviation Nullable(Float64) COMMENT 'sample deviation of the returns per second between the last 51 bucket ends, this one included; no lookahead',
    class_scaled Nullable(Int16) COMMENT '1, 0 or -1: return_per_s_5 against half of past_deviation',
    known_at DateTime64(3, 'UTC') COMMENT 'when the longest horizon had passed, exchange time, UTC',
    quality String COMMENT 'ok, partial (ten buckets have not followed yet), stale (no mid at the end) or gap (a hole touches the bucket)'
)
COMMENT 'what the price did after each bucket: labels, they look ahead'
AS WITH
    (
        SELECT groupArray((exchange, market_type, symbol, from_time, to_time))
        FROM marketprism_features.excluded_intervals
    ) AS excluded
SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    mid_0 AS mid,
    if(later_1.1 = 0, NULL, log(later_1.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_1.1) / 1000, 0)) AS return_per_s_1,
    if(later_3.1 = 0, NULL, log(later_3.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_3.1) / 1000, 0)) AS return_per_s_3,
    if(later_5.1 = 0, NULL, log(later_5.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_5.1) / 1000, 0)) AS return_per_s_5,
    if(later_10.1 = 0, NULL, log(later_10.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_10.1) / 1000, 0)) AS return_per_s_10,
    log(mid_30 / mid_0) AS return_30s,
    log(mid_60 / mid_0) AS return_1m,
    log(mid_300 / mid_0) AS return_5m,
    multiIf(return_per_s_5 > 0.00001, 1, return_per_s_5 < -0.00001, -1, return_per_s_5 IS NULL, NULL, 0) AS class_fixed,
    past_deviation,
    multiIf(
        past_deviation IS NULL OR return_per_s_5 IS NULL, NULL,
        return_per_s_5 > past_deviation / 2, 1, return_per_s_5 < -past_deviation / 2, -1, 0
    ) AS class_scaled,
    greatest(later_10.1, bucket_ts_end + toIntervalSecond(300)) AS known_at,
    multiIf(grade = 'gap', 'gap', mid_0 IS NULL, 'stale', later_10.1 = 0, 'partial', 'ok') AS quality
FROM
(
    SELECT
        *,
        leadInFrame((ends, mid_0), 1) OVER following AS later_1,
        leadInFrame((ends, mid_0), 3) OVER following AS later_3,
        leadInFrame((ends, mid_0), 5) OVER following AS later_5,
        leadInFrame((ends, mid_0), 10) OVER following AS later_10,
        if(count(speed) OVER fifty = 50, arrayReduce('stddevSampStable', groupArray(speed) OVER fifty), NULL) AS past_deviation
    FROM
    (
        SELECT
            *,
            ends AS bucket_ts_end,
            log(mid_0 / before.2) / nullIf(dateDiff('millisecond', before.1, ends) / 1000, 0) AS speed
        FROM
        (
            SELECT *, lagInFrame((ends, mid_0)) OVER (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
            FROM
            (
                SELECT
                    exchange, market_type, symbol, bucket_id,
                    anyIf(ts, ahead = 0) AS ends,
                    any(starts) AS starts,
                    any(grade) AS grade,
                    anyIf(mid, ahead = 0) AS mid_0,
                    anyIf(mid, ahead = 30) AS mid_30,
                    anyIf(mid, ahead = 60) AS mid_60,
                    anyIf(mid, ahead = 300) AS mid_300
                FROM
                (
                    SELECT
                        exchange, market_type, symbol, kind, bucket_id, ahead, ts, starts, grade,
                        anyLastIf((ts, price), kind = 0) OVER so_far AS book,
                        if(book.2 > 0 AND dateDiff('millisecond', book.1, ts) <= 60000, book.2, NULL) AS mid
                    FROM
                    (
                        SELECT
                            exchange, market_type, symbol,
                            toUInt8(1) AS kind,
                            bucket_id,
                            toUInt16(arrayJoin([0, 30, 60, 300])) AS ahead,
                            bucket_ts_end + toIntervalSecond(ahead) AS ts,
                            bucket_ts_start AS starts,
                            toString(quality) AS grade,
                            toUInt64(0) AS sequence,
                            toFloat64(0) AS price
                        FROM marketprism_features.unified_buckets
                        WHERE is_closed
                        UNION ALL
                        SELECT
                            exchange, market_type, symbol,
                            toUInt8(0) AS kind,
                            toUInt64(0) AS bucket_id,
                            toUInt16(0) AS ahead,
                            timestamp AS ts,
                            timestamp AS starts,
                            '' AS grade,
                            sequence,
                            if(best_bid_price > 0 AND best_ask_price > 0, toFloat64(best_bid_price + best_ask_price) / 2, 0) AS price
                        FROM marketprism_features.all_orderbooks
                    )
                    WINDOW so_far AS (
                        PARTITION BY exchange, market_type, symbol ORDER BY ts, kind, sequence ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                    )
                )
                WHERE kind = 1
                GROUP BY exchange, market_type, symbol, bucket_id
            )
        )
    )
    WINDOW
        following AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN CURRENT ROW AND 10 FOLLOWING),
        fifty AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 49 PRECEDING AND CURRENT ROW)
)
WHERE NOT arrayExists(
    hole -> hole.1 = exchange AND hole.2 = market_type AND hole.3 = symbol
        AND hole.4 <= greatest(later_10.1, bucket_ts_end + toIntervalSecond(300)) AND hole.5 >= starts,
    excluded
);
