-- name:      lob_dynamics_by_bucket_between
-- purpose:   how fast liquidity came and went, and order flow imbalance, while each bucket filled, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.unified_buckets_between, marketprism_features.all_orderbooks, marketprism_features.bucket_flow, marketprism_features.all_gaps
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    Cont, Kukanov, Stoikov (2014), summed by the collector over every update; Xu, Gould, Howison (2019) by level
--
-- The books published after the start of the bucket, up to its end. Starts (1), books (0) and ends (2) are one sequence of
-- events: the running sum at the end less the one at the start; sums are decimal, so the difference is exact.
-- A book more than five seconds after the one before counts neither its time nor what was added and cancelled meanwhile:
-- quantity of one stretch over the seconds of another is no rate. Order flow imbalance is a sum, and whole.
-- The time from the newest book to the end belongs to the next bucket's first book; quality takes it for seen up to five seconds.
--
-- Parameters from_bucket and to_bucket bound the ids; raw rows are read from the range's first trade to its last, and none
-- from before since: buckets that began earlier are left out, so that who needs the newest only reads no more.
-- leak-ok: whole-history: holes decide quality alone, which says what is known now
-- A hole in the books is a hole here, too: quality told those of the trades alone.
CREATE OR REPLACE VIEW marketprism_features.lob_dynamics_by_bucket_between
COMMENT 'rates of added and cancelled liquidity and order flow imbalance by bucket (parameters from_bucket, to_bucket, since)'
AS WITH
    (
        SELECT groupArray((exchange, market_type, symbol, from_time, to_time))
        FROM
        (
            SELECT exchange, market_type, symbol, min(g.from_time) AS from_time, max(g.to_time) AS to_time
            FROM marketprism_features.all_gaps AS g
            WHERE g.of_type = 'orderbooks'
            GROUP BY exchange, market_type, symbol, g.from_sequence, g.to_sequence
            HAVING NOT max(g.repaired)
        )
    ) AS holes,
    dateDiff('millisecond', maxIf(book_ts, kind = 2), bucket_ts_end) AS unseen_ms
SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    max(ts) AS bucket_ts_end,
    toFloat64(sums[1]) / nullIf(observed_s, 0) AS bid_add_rate,
    toFloat64(sums[2]) / nullIf(observed_s, 0) AS bid_cancel_rate,
    toFloat64(sums[1] - sums[2]) / nullIf(observed_s, 0) AS bid_net_rate,
    toFloat64(sums[3]) / nullIf(observed_s, 0) AS ask_add_rate,
    toFloat64(sums[4]) / nullIf(observed_s, 0) AS ask_cancel_rate,
    toFloat64(sums[3] - sums[4]) / nullIf(observed_s, 0) AS ask_net_rate,
    toFloat64(sums[5]) AS ofi_l1,
    arrayMap(level -> toFloat64(level), arraySlice(sums, 6, 5)) AS ofi_l5,
    toUInt64(sums[11]) AS updates,
    toUInt64(sums[12]) AS books,
    toFloat64(sums[13]) / 1000 AS observed_s,
    assumeNotNull(greatest(max(known_at), maxIf(heard_at, kind = 2))) AS available_at,
    multiIf(
        max(grade) = 'gap', 'gap',
        arrayExists(hole -> hole.3 = symbol AND hole.1 = exchange AND hole.2 = market_type AND hole.4 <= bucket_ts_end AND hole.5 >= min(ts), holes), 'gap',
        books = 0, 'stale',
        toFloat64(sums[13]) + if(unseen_ms <= 5000, unseen_ms, 0) < 0.9 * dateDiff('millisecond', min(ts), bucket_ts_end), 'partial',
        'ok'
    ) AS quality,
    arrayMap((end, start) -> end - start, anyIf(so_far_sums, kind = 2), anyIf(so_far_sums, kind = 1)) AS sums
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, kind, ts, known_at, grade,
        sumForEach(facts) OVER so_far AS so_far_sums,
        anyLastIf(receipt, kind = 0) OVER so_far AS heard_at,
        anyLastIf(ts, kind = 0) OVER so_far AS book_ts
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id, known_at, grade,
            arrayJoin([(1, bucket_ts_start), (2, bucket_ts_end)]) AS edge,
            toUInt8(edge.1) AS kind,
            edge.2 AS ts,
            toUInt64(0) AS sequence,
            toDateTime64(0, 6, 'UTC') AS receipt,
            arrayResize([toDecimal256(0, 12)], 13, toDecimal256(0, 12)) AS facts
        FROM
        (
            SELECT exchange, market_type, symbol, bucket_id, bucket_ts_start, bucket_ts_end, available_at AS known_at, toString(quality) AS grade
            FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0)
            WHERE is_closed AND bucket_ts_start >= {since:DateTime64(3)}
        )
        UNION ALL
        SELECT
            exchange, market_type, symbol, toUInt64(0) AS bucket_id, toNullable(receipt) AS known_at, '' AS grade,
            (0, ts) AS edge,
            toUInt8(0) AS kind,
            timestamp AS ts,
            sequence,
            received_at AS receipt,
            arrayMap(
                fact -> toDecimal256(fact, 12),
                arrayConcat(
                    arrayMap(
                        fact -> if(since_ms <= 5000, fact, 0),
                        [bid_added_quantity, bid_cancelled_quantity, ask_added_quantity, ask_cancelled_quantity]
                    ),
                    [ofi_l1],
                    arrayResize(ofi_l5, 5),
                    [toFloat64(updates), 1, toFloat64(if(since_ms <= 5000, since_ms, 0))]
                )
            ) AS facts
        FROM
        (
            SELECT
                *,
                dateDiff('millisecond', lagInFrame(timestamp, 1, toDateTime64(0, 3, 'UTC')) OVER before, timestamp) AS since_ms
            FROM marketprism_features.all_orderbooks
            WHERE timestamp BETWEEN greatest((SELECT min(first_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}), {since:DateTime64(3)}) - toIntervalSecond(60)
                AND (SELECT max(last_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64})
            WINDOW before AS (
                PARTITION BY exchange, market_type, symbol ORDER BY timestamp, sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            )
        )
    )
    WINDOW so_far AS (
        PARTITION BY exchange, market_type, symbol ORDER BY ts, kind, sequence ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
WHERE kind != 0
GROUP BY exchange, market_type, symbol, bucket_id;

CREATE OR REPLACE VIEW marketprism_features.lob_dynamics_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    bid_add_rate Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    bid_cancel_rate Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    bid_net_rate Nullable(Float64) COMMENT 'bid quantity added less taken away per second, base units',
    ask_add_rate Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    ask_cancel_rate Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
    ask_net_rate Nullable(Float64) COMMENT 'ask quantity added less taken away per second, base units',
    ofi_l1 Float64 COMMENT 'order flow imbalance at the best level over every update while the bucket filled, base units',
    ofi_l5 Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5 over every update while the bucket filled, base units',
    updates UInt64 COMMENT 'book updates while the bucket filled',
    books UInt64 COMMENT 'published books while the bucket filled',
    observed_s Float64 COMMENT 'seconds that those books account for; more than five between two books count as none, with what was added and cancelled in them',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, gap (a hole in the trades or in the books touches the bucket), stale (no book while it filled) or partial (its books account for less than 90 % of its length)',
    sums Array(Decimal(76, 12)) COMMENT 'the exact sums behind the columns: added and cancelled by side, imbalance at the best and by level, updates, books, milliseconds'
)
COMMENT 'rates of added and cancelled liquidity and order flow imbalance by bucket'
AS SELECT *
FROM marketprism_features.lob_dynamics_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00');
