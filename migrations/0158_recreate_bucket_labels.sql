-- name:      bucket_labels
-- purpose:   what the price did after each bucket: returns per second over the next buckets, returns over time, classes
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets outside excluded_intervals
-- inputs:    marketprism_features.unified_buckets, marketprism_features.all_orderbooks, marketprism_features.excluded_intervals
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: label
-- source:    log returns of the as-of mid; buckets differ in length, so returns over buckets are per second only
--
-- The mid is that of the last book at or before an instant; one older than 60 s, or one-sided, is none.
--
-- return_per_s_*, return_30s, return_1m, return_5m and the classes count from bucket_ts_end, the last trade. A bucket that time
-- closed is known up to t_max later: a part of these returns, or all of it, was over before any feature of the bucket was
-- there. return_*_available count from bucket_available_at, when it was known; a model that trades learns those, from feature
-- rows whose available_at is at or before bucket_available_at.
--
-- A return is NULL until a book at or after its horizon's end is stored and that instant has passed; the mid before it can
-- still change. A row is partial until that holds of every horizon (known_at), so an ok row changes by repairs only; a NULL in
-- one says that there was no mid, or no time between. A row is left out when anything between the bucket's start and known_at
-- is excluded. Nothing outside this database may read these rows.
CREATE OR REPLACE VIEW marketprism_labels.bucket_labels
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    bucket_available_at DateTime64(6, 'UTC') COMMENT 'when the bucket was known: available_at of unified_buckets, not before bucket_ts_end, UTC',
    mid Nullable(Float64) COMMENT 'mid as of bucket_ts_end, quote units',
    mid_available Nullable(Float64) COMMENT 'mid as of bucket_available_at, quote units',
    return_per_s_1 Nullable(Float64) COMMENT 'log return of the mid from bucket_ts_end to the end of the next bucket, per second between the ends; NULL when that is 0',
    return_per_s_3 Nullable(Float64) COMMENT 'log return of the mid from bucket_ts_end to the end of the 3rd bucket after, per second between the ends; NULL when that is 0',
    return_per_s_5 Nullable(Float64) COMMENT 'log return of the mid from bucket_ts_end to the end of the 5th bucket after, per second between the ends; NULL when that is 0',
    return_per_s_10 Nullable(Float64) COMMENT 'log return of the mid from bucket_ts_end to the end of the 10th bucket after, per second between the ends; NULL when that is 0',
    return_30s Nullable(Float64) COMMENT 'log return of the as-of mid over the 30 s after bucket_ts_end; may be over before the bucket is available',
    return_1m Nullable(Float64) COMMENT 'log return of the as-of mid over the minute after bucket_ts_end; may be over before the bucket is available',
    return_5m Nullable(Float64) COMMENT 'log return of the as-of mid over the five minutes after bucket_ts_end; may be over before the bucket is available',
    return_30s_available Nullable(Float64) COMMENT 'log return of the as-of mid over the 30 s after bucket_available_at',
    return_1m_available Nullable(Float64) COMMENT 'log return of the as-of mid over the minute after bucket_available_at',
    return_5m_available Nullable(Float64) COMMENT 'log return of the as-of mid over the five minutes after bucket_available_at',
    class_fixed Nullable(Int16) COMMENT '1, 0 or -1: return_per_s_5 against 0.001 % per second',
    past_deviation Nullable(Float64) COMMENT 'sample deviation of the returns per second between the last 51 bucket ends, this one included; no lookahead',
    class_scaled Nullable(Int16) COMMENT '1, 0 or -1: return_per_s_5 against half of past_deviation',
    known_at DateTime64(3, 'UTC') COMMENT 'when every horizon had passed: ten buckets, and five minutes from bucket_available_at, exchange time, UTC',
    quality String COMMENT 'ok, partial (ten buckets have not followed, or no book at or after known_at yet: NULLs can still become returns), stale (no mid at the end) or gap (a hole touches the bucket)'
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
    bucket_available_at,
    mid_0 AS mid,
    mid_from AS mid_available,
    if(later_1.1 = 0 OR later_1.1 > settled, NULL, log(later_1.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_1.1) / 1000, 0)) AS return_per_s_1,
    if(later_3.1 = 0 OR later_3.1 > settled, NULL, log(later_3.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_3.1) / 1000, 0)) AS return_per_s_3,
    if(later_5.1 = 0 OR later_5.1 > settled, NULL, log(later_5.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_5.1) / 1000, 0)) AS return_per_s_5,
    if(later_10.1 = 0 OR later_10.1 > settled, NULL, log(later_10.2 / mid_0) / nullIf(dateDiff('millisecond', bucket_ts_end, later_10.1) / 1000, 0)) AS return_per_s_10,
    log(mid_30 / mid_0) AS return_30s,
    log(mid_60 / mid_0) AS return_1m,
    log(mid_300 / mid_0) AS return_5m,
    log(mid_from_30 / mid_from) AS return_30s_available,
    log(mid_from_60 / mid_from) AS return_1m_available,
    log(mid_from_300 / mid_from) AS return_5m_available,
    multiIf(return_per_s_5 > 0.00001, 1, return_per_s_5 < -0.00001, -1, return_per_s_5 IS NULL, NULL, 0) AS class_fixed,
    past_deviation,
    multiIf(
        past_deviation IS NULL OR return_per_s_5 IS NULL, NULL,
        return_per_s_5 > past_deviation / 2, 1, return_per_s_5 < -past_deviation / 2, -1, 0
    ) AS class_scaled,
    greatest(later_10.1, available + toIntervalSecond(300)) AS known_at,
    multiIf(grade = 'gap', 'gap', mid_0 IS NULL, 'stale', later_10.1 = 0 OR known_at > settled, 'partial', 'ok') AS quality
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
                    anyIf(ts, origin = 0 AND ahead = 0) AS ends,
                    anyIf(ts, origin = 1 AND ahead = 0) AS available,
                    any(starts) AS starts,
                    any(known) AS bucket_available_at,
                    any(settled) AS settled,
                    any(grade) AS grade,
                    anyIf(mid, origin = 0 AND ahead = 0) AS mid_0,
                    anyIf(mid, origin = 0 AND ahead = 30) AS mid_30,
                    anyIf(mid, origin = 0 AND ahead = 60) AS mid_60,
                    anyIf(mid, origin = 0 AND ahead = 300) AS mid_300,
                    anyIf(mid, origin = 1 AND ahead = 0) AS mid_from,
                    anyIf(mid, origin = 1 AND ahead = 30) AS mid_from_30,
                    anyIf(mid, origin = 1 AND ahead = 60) AS mid_from_60,
                    anyIf(mid, origin = 1 AND ahead = 300) AS mid_from_300
                FROM
                (
                    SELECT
                        exchange, market_type, symbol, kind, bucket_id, origin, ahead, ts, starts, known, settled, grade,
                        anyLastIf((ts, price), kind = 0) OVER so_far AS book,
                        if(book.2 > 0 AND dateDiff('millisecond', book.1, ts) <= 60000 AND (ahead = 0 OR ts <= settled), book.2, NULL) AS mid
                    FROM
                    (
                        SELECT
                            b.exchange AS exchange, b.market_type AS market_type, b.symbol AS symbol,
                            toUInt8(1) AS kind,
                            b.bucket_id AS bucket_id,
                            toUInt8(arrayJoin([0, 1])) AS origin,
                            toUInt16(arrayJoin([0, 30, 60, 300])) AS ahead,
                            if(origin = 0, b.bucket_ts_end, toDateTime64(known, 3, 'UTC')) + toIntervalSecond(ahead) AS ts,
                            b.bucket_ts_start AS starts,
                            greatest(assumeNotNull(b.available_at), toDateTime64(b.bucket_ts_end, 6, 'UTC')) AS known,
                            least(newest.last_book, now64(3, 'UTC')) AS settled,
                            toString(b.quality) AS grade,
                            toUInt64(0) AS sequence,
                            toFloat64(0) AS price
                        FROM marketprism_features.unified_buckets AS b
                        LEFT JOIN
                        (
                            SELECT exchange, market_type, symbol, max(timestamp) AS last_book
                            FROM marketprism_features.all_orderbooks
                            GROUP BY exchange, market_type, symbol
                        ) AS newest ON newest.exchange = b.exchange AND newest.market_type = b.market_type AND newest.symbol = b.symbol
                        WHERE b.is_closed
                        UNION ALL
                        SELECT
                            exchange, market_type, symbol,
                            toUInt8(0) AS kind,
                            toUInt64(0) AS bucket_id,
                            toUInt8(0) AS origin,
                            toUInt16(0) AS ahead,
                            timestamp AS ts,
                            timestamp AS starts,
                            toDateTime64(timestamp, 6, 'UTC') AS known,
                            timestamp AS settled,
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
        AND hole.4 <= greatest(later_10.1, available + toIntervalSecond(300)) AND hole.5 >= starts,
    excluded
);
