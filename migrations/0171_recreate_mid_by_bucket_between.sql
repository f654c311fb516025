-- name:      mid_by_bucket_between
-- purpose:   mid price as of each bucket's end and on average over it, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id)
-- inputs:    marketprism_features.bucket_flow, marketprism_features.lob_top5
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    as-of join backward on exchange time
--
-- As of: the last published book at or before bucket_ts_end, by (timestamp, sequence); one older than 60 s is no price, nor
-- is one without both sides. The mean is over the two-sided books from bucket_ts_start to bucket_ts_end, both included.
--
-- Not an ASOF JOIN: a predicate on the symbol does not reach its right side, so that it read every book of every symbol.
-- Here starts (0), books (1) and ends (2) are one sequence of events: at an end, the running last book is the as-of value,
-- and the running sum minus the one at the start gives the mean. The sums are Decimal, so the mean is the same wherever
-- the range begins.
-- available_at: when the bucket's trades and the newest book at its end had been received; books come in their order, so
-- that one is the last of them to be received. Never before bucket_ts_end: the local clock may be behind the exchange's.
-- leak-ok: whole-history: the first and last edge only bound which books are read; the as-of value looks backward from each edge
CREATE OR REPLACE VIEW marketprism_features.mid_by_bucket_between
COMMENT 'mid price of buckets (parameters from_bucket, to_bucket)'
AS WITH
    edges AS
    (
        SELECT
            f.exchange AS exchange,
            f.market_type AS market_type,
            f.symbol AS symbol,
            f.bucket_id AS bucket_id,
            min(f.first_ts) AS starts,
            max(f.last_ts) AS ends,
            max(f.last_received_at) AS heard_at
        FROM marketprism_features.bucket_flow AS f
        WHERE f.bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
        GROUP BY f.exchange, f.market_type, f.symbol, f.bucket_id
    )
SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    max(ts) AS bucket_ts_end,
    if(staleness_ms <= 60000, nullIf(maxIf(last_mid, kind = 2), 0), NULL) AS mid,
    toFloat64(sumIf(mid_sum, kind = 2) - sumIf(mid_sum, kind = 0)) / nullIf(sumIf(mids, kind = 2) - sumIf(mids, kind = 0), 0) AS mid_avg,
    if(maxIf(last_book, kind = 2) = 0, NULL, dateDiff('millisecond', maxIf(last_book, kind = 2), bucket_ts_end)) AS staleness_ms,
    greatest(max(known_at), maxIf(book_known_at, kind = 2), toDateTime64(bucket_ts_end, 6, 'UTC')) AS available_at,
    if(mid IS NULL OR staleness_ms > 3000, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, ts, kind, known_at,
        anyLastIf(price, kind = 1) OVER so_far AS last_mid,
        anyLastIf(ts, kind = 1) OVER so_far AS last_book,
        anyLastIf(known_at, kind = 1) OVER so_far AS book_known_at,
        sum(toDecimal128(price, 12)) OVER so_far AS mid_sum,
        countIf(price > 0) OVER so_far AS mids
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id,
            arrayJoin([(0, starts), (2, ends)]) AS edge,
            toUInt8(edge.1) AS kind,
            edge.2 AS ts,
            toUInt64(0) AS sequence,
            toFloat64(0) AS price,
            heard_at AS known_at
        FROM edges
        UNION ALL
        SELECT
            l.exchange, l.market_type, l.symbol, toUInt64(0) AS bucket_id,
            (1, l.timestamp) AS edge,
            toUInt8(1) AS kind,
            l.timestamp AS ts,
            l.sequence AS sequence,
            ifNull(l.mid_price, 0) AS price,
            l.received_at AS known_at
        FROM marketprism_features.lob_top5 AS l
        WHERE l.timestamp BETWEEN (SELECT min(starts) - toIntervalSecond(60) FROM edges) AND (SELECT max(ends) FROM edges)
    )
    WINDOW so_far AS (
        PARTITION BY exchange, market_type, symbol ORDER BY ts, kind, sequence ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
WHERE kind != 1
GROUP BY exchange, market_type, symbol, bucket_id;
