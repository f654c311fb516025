CREATE VIEW marketprism_features.book_features_by_bucket_between
COMMENT 'the shape of the book as of each bucket\'s end (parameters from_bucket, to_bucket, since)'
AS SELECT
    u.exchange AS exchange,
    u.market_type AS market_type,
    u.symbol AS symbol,
    u.bucket_id AS bucket_id,
    u.ts AS bucket_ts_end,
    b.mid AS mid,
    b.spread_bps AS spread_bps,
    b.microprice AS microprice,
    b.weighted_mid AS weighted_mid,
    b.imbalance_1 AS imbalance_1,
    b.imbalance_5 AS imbalance_5,
    b.imbalance_10 AS imbalance_10,
    b.imbalance_20 AS imbalance_20,
    b.bid_depth_5 AS bid_depth_5,
    b.ask_depth_5 AS ask_depth_5,
    b.bid_depth_10 AS bid_depth_10,
    b.ask_depth_10 AS ask_depth_10,
    b.bid_depth_20 AS bid_depth_20,
    b.ask_depth_20 AS ask_depth_20,
    b.bid_density_10 AS bid_density_10,
    b.ask_density_10 AS ask_density_10,
    b.bid_slope_10 AS bid_slope_10,
    b.ask_slope_10 AS ask_slope_10,
    b.bid_convexity_10 AS bid_convexity_10,
    b.ask_convexity_10 AS ask_convexity_10,
    b.bid_tail_width_bps AS bid_tail_width_bps,
    b.ask_tail_width_bps AS ask_tail_width_bps,
    b.buy_impact_bps AS buy_impact_bps,
    b.sell_impact_bps AS sell_impact_bps,
    b.impact_linear AS impact_linear,
    b.impact_sqrt AS impact_sqrt,
    b.bid_entropy AS bid_entropy,
    b.ask_entropy AS ask_entropy,
    b.bid_gravity_bps AS bid_gravity_bps,
    b.ask_gravity_bps AS ask_gravity_bps,
    dateDiff('millisecond', u.book.1, u.ts) AS staleness_ms,
    assumeNotNull(greatest(u.known_at, b.available_at)) AS available_at,
    multiIf(u.grade = 'gap', 'gap', b.mid IS NULL, 'partial', staleness_ms > 3000, 'stale', 'ok') AS quality
FROM
(
    SELECT *
    FROM marketprism_features.book_features
    WHERE (timestamp >= (greatest((
        SELECT min(first_ts)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    ), {since:DateTime64(3)}) - toIntervalSecond(60))) AND (timestamp <= (
        SELECT max(last_ts)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    ))
) AS b
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        ts,
        known_at,
        grade,
        book
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            kind,
            bucket_id,
            ts,
            known_at,
            grade,
            anyLastIf((ts, sequence), kind = 0) OVER so_far AS book
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                toUInt8(1) AS kind,
                bucket_id,
                bucket_ts_end AS ts,
                toUInt64(0) AS sequence,
                available_at AS known_at,
                toString(quality) AS grade
            FROM `marketprism_features.unified_buckets_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0)
            WHERE is_closed AND (bucket_ts_end >= {since:DateTime64(3)})
            UNION ALL
            SELECT
                exchange,
                market_type,
                symbol,
                toUInt8(0) AS kind,
                toUInt64(0) AS bucket_id,
                timestamp AS ts,
                sequence,
                toNullable(received_at) AS known_at,
                '' AS grade
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
        )
        WINDOW so_far AS (PARTITION BY exchange, market_type, symbol ORDER BY ts ASC, kind ASC, sequence ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
    WHERE (kind = 1) AND (dateDiff('millisecond', book.1, ts) <= 60000)
) AS u ON (u.exchange = b.exchange) AND (u.market_type = b.market_type) AND (u.symbol = b.symbol) AND ((u.book.1) = b.timestamp) AND ((u.book.2) = b.sequence)
