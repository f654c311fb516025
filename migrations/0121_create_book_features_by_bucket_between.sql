-- name:      book_features_by_bucket_between
-- purpose:   the shape of the book as of each bucket's end, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets with a book in the minute before their end
-- inputs:    marketprism_features.book_features, marketprism_features.unified_buckets_between, marketprism_features.all_orderbooks, marketprism_features.bucket_flow
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    as-of join backward on exchange time; book_features' own
--
-- Books (0) and bucket ends (1) are one sequence of events, as in mid_by_bucket_between: only the books that are some
-- bucket's last one are measured. A book older than 60 s is none.
--
-- Parameters from_bucket and to_bucket bound the ids; raw rows are read from the range's first trade to its last, and none
-- from before since: buckets that began earlier are left out, so that who needs the newest only reads no more.
CREATE VIEW IF NOT EXISTS marketprism_features.book_features_by_bucket_between
COMMENT 'the shape of the book as of each bucket''s end (parameters from_bucket, to_bucket, since)'
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
    WHERE timestamp BETWEEN greatest((SELECT min(first_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}), {since:DateTime64(3)}) - toIntervalSecond(60)
        AND (SELECT max(last_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64})
) AS b
INNER JOIN
(
    SELECT exchange, market_type, symbol, bucket_id, ts, known_at, grade, book
    FROM
    (
        SELECT
            exchange, market_type, symbol, kind, bucket_id, ts, known_at, grade,
            anyLastIf((ts, sequence), kind = 0) OVER so_far AS book
        FROM
        (
            SELECT
                exchange, market_type, symbol,
                toUInt8(1) AS kind,
                bucket_id,
                bucket_ts_end AS ts,
                toUInt64(0) AS sequence,
                available_at AS known_at,
                toString(quality) AS grade
            FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0)
            WHERE is_closed AND bucket_ts_end >= {since:DateTime64(3)}
            UNION ALL
            SELECT
                exchange, market_type, symbol,
                toUInt8(0) AS kind,
                toUInt64(0) AS bucket_id,
                timestamp AS ts,
                sequence,
                toNullable(received_at) AS known_at,
                '' AS grade
            FROM marketprism_features.all_orderbooks
            WHERE timestamp BETWEEN greatest((SELECT min(first_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}), {since:DateTime64(3)}) - toIntervalSecond(60)
                AND (SELECT max(last_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64})
        )
        WINDOW so_far AS (
            PARTITION BY exchange, market_type, symbol ORDER BY ts, kind, sequence ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    )
    WHERE kind = 1 AND dateDiff('millisecond', book.1, ts) <= 60000
) AS u ON u.exchange = b.exchange AND u.market_type = b.market_type AND u.symbol = b.symbol AND u.book.1 = b.timestamp AND u.book.2 = b.sequence;

CREATE OR REPLACE VIEW marketprism_features.book_features_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    mid Nullable(Float64) COMMENT '(best bid + best ask) / 2, quote units; NULL, like everything after it, when a side is empty',
    spread_bps Nullable(Float64) COMMENT '(best ask - best bid) / mid, basis points',
    microprice Nullable(Float64) COMMENT '(bid price * ask quantity + ask price * bid quantity) / both quantities at the best, quote units',
    weighted_mid Nullable(Float64) COMMENT 'the same of five levels: each side\'s mean price weighed by the other side\'s quantity, quote units',
    imbalance_1 Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity at the best, -1 to 1',
    imbalance_5 Nullable(Float64) COMMENT 'the same over 5 levels',
    imbalance_10 Nullable(Float64) COMMENT 'the same over 10 levels',
    imbalance_20 Nullable(Float64) COMMENT 'the same over 20 levels',
    bid_depth_5 Nullable(Float64) COMMENT 'bid quantity of 5 levels, base units',
    ask_depth_5 Nullable(Float64) COMMENT 'ask quantity of 5 levels, base units',
    bid_depth_10 Nullable(Float64) COMMENT 'bid quantity of 10 levels, base units',
    ask_depth_10 Nullable(Float64) COMMENT 'ask quantity of 10 levels, base units',
    bid_depth_20 Nullable(Float64) COMMENT 'bid quantity of 20 levels, base units',
    ask_depth_20 Nullable(Float64) COMMENT 'ask quantity of 20 levels, base units',
    bid_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 bid levels per basis point between mid and the last of them, quote units per bp',
    ask_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 ask levels per basis point between mid and the last of them, quote units per bp',
    bid_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative bid quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    ask_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative ask quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    bid_convexity_10 Nullable(Float64) COMMENT 'second difference of bid depth at 0, 5 and 10 levels over depth at 10: above 0 the book thickens away from the mid',
    ask_convexity_10 Nullable(Float64) COMMENT 'second difference of ask depth at 0, 5 and 10 levels over depth at 10',
    bid_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 bid levels stand, basis points',
    ask_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 ask levels stand, basis points',
    buy_impact_bps Nullable(Float64) COMMENT 'mean price over mid of a market buy of 10,000 quote units, basis points; NULL when the book is too thin',
    sell_impact_bps Nullable(Float64) COMMENT 'mean price under mid of a market sell of 10,000 quote units, basis points; NULL when the book is too thin',
    impact_linear Nullable(Float64) COMMENT 'mean of both impacts per quote unit: impact = impact_linear * size, bps per quote unit',
    impact_sqrt Nullable(Float64) COMMENT 'mean of both impacts per root of a quote unit: impact = impact_sqrt * sqrt(size), bps',
    bid_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 bid levels over its maximum, 0 (all at one level) to 1',
    ask_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 ask levels over its maximum, 0 to 1',
    bid_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 bid levels from the mid, basis points',
    ask_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 ask levels from the mid, basis points',
    staleness_ms Int64 COMMENT 'age of the book at the bucket\'s end, milliseconds; at most 60,000',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (a side of the book is empty), stale (the book is older than 3 s) or gap (a hole in the trades touches the bucket)'
)
COMMENT 'the shape of the book as of each bucket''s end'
AS SELECT *
FROM marketprism_features.book_features_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00');
