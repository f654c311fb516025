CREATE VIEW marketprism_features.lob_dynamics_by_bucket_between
COMMENT 'rates of added and cancelled liquidity and order flow imbalance by bucket (parameters from_bucket, to_bucket, since)'
AS WITH
    (
        SELECT groupArray((exchange, market_type, symbol, from_time, to_time))
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                min(g.from_time) AS from_time,
                max(g.to_time) AS to_time
            FROM marketprism_features.all_gaps AS g
            WHERE g.of_type = 'orderbooks'
            GROUP BY
                exchange,
                market_type,
                symbol,
                g.from_sequence,
                g.to_sequence
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
    toFloat64((sums[1]) - (sums[2])) / nullIf(observed_s, 0) AS bid_net_rate,
    toFloat64(sums[3]) / nullIf(observed_s, 0) AS ask_add_rate,
    toFloat64(sums[4]) / nullIf(observed_s, 0) AS ask_cancel_rate,
    toFloat64((sums[3]) - (sums[4])) / nullIf(observed_s, 0) AS ask_net_rate,
    toFloat64(sums[5]) AS ofi_l1,
    arrayMap(level -> toFloat64(level), arraySlice(sums, 6, 5)) AS ofi_l5,
    toUInt64(sums[11]) AS updates,
    toUInt64(sums[12]) AS books,
    toFloat64(sums[13]) / 1000 AS observed_s,
    assumeNotNull(greatest(max(known_at), maxIf(heard_at, kind = 2))) AS available_at,
    multiIf(max(grade) = 'gap', 'gap', arrayExists(hole -> (((hole.3) = symbol) AND ((hole.1) = exchange) AND ((hole.2) = market_type) AND ((hole.4) <= bucket_ts_end) AND ((hole.5) >= min(ts))), holes), 'gap', books = 0, 'stale', (toFloat64(sums[13]) + if(unseen_ms <= 5000, unseen_ms, 0)) < (0.9 * dateDiff('millisecond', min(ts), bucket_ts_end)), 'partial', 'ok') AS quality,
    arrayMap((end, start) -> (end - start), anyIf(so_far_sums, kind = 2), anyIf(so_far_sums, kind = 1)) AS sums
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        kind,
        ts,
        known_at,
        grade,
        sumForEach(facts) OVER so_far AS so_far_sums,
        anyLastIf(receipt, kind = 0) OVER so_far AS heard_at,
        anyLastIf(ts, kind = 0) OVER so_far AS book_ts
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            known_at,
            grade,
            arrayJoin([(1, bucket_ts_start), (2, bucket_ts_end)]) AS edge,
            toUInt8(edge.1) AS kind,
            edge.2 AS ts,
            toUInt64(0) AS sequence,
            toDateTime64(0, 6, 'UTC') AS receipt,
            arrayResize([toDecimal256(0, 12)], 13, toDecimal256(0, 12)) AS facts
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                bucket_id,
                bucket_ts_start,
                bucket_ts_end,
                available_at AS known_at,
                toString(quality) AS grade
            FROM `marketprism_features.unified_buckets_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0)
            WHERE is_closed AND (bucket_ts_start >= {since:DateTime64(3)})
        )
        UNION ALL
        SELECT
            exchange,
            market_type,
            symbol,
            toUInt64(0) AS bucket_id,
            toNullable(receipt) AS known_at,
            '' AS grade,
            (0, ts) AS edge,
            toUInt8(0) AS kind,
            timestamp AS ts,
            sequence,
            received_at AS receipt,
            arrayMap(fact -> toDecimal256(fact, 12), arrayConcat(arrayMap(fact -> if(since_ms <= 5000, fact, 0), [bid_added_quantity, bid_cancelled_quantity, ask_added_quantity, ask_cancelled_quantity]), [ofi_l1], arrayResize(ofi_l5, 5), [toFloat64(updates), 1, toFloat64(if(since_ms <= 5000, since_ms, 0))])) AS facts
        FROM
        (
            SELECT
                *,
                dateDiff('millisecond', lagInFrame(timestamp, 1, toDateTime64(0, 3, 'UTC')) OVER before, timestamp) AS since_ms
            FROM marketprism_features.all_orderbooks
            WHERE (timestamp >= (greatest((
                SELECT min(first_ts)
                FROM marketprism_features.bucket_flow
                WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
            ), {since:DateTime64(3)}) - toIntervalSecond(60))) AND (timestamp <= (
                SELECT max(last_ts)
                FROM marketprism_features.bucket_flow
                WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
            ))
            WINDOW before AS (PARTITION BY exchange, market_type, symbol ORDER BY timestamp ASC, sequence ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
        )
    )
    WINDOW so_far AS (PARTITION BY exchange, market_type, symbol ORDER BY ts ASC, kind ASC, sequence ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE kind != 0
GROUP BY
    exchange,
    market_type,
    symbol,
    bucket_id
