-- name:      bucket_footprints
-- purpose:   footprint, point of control and 70 % value area of each bucket, with when they were known and what they are worth
-- grain:     one row per (exchange, market_type, symbol, bucket_id), of footprint_by_bucket also (tick_size, px_bin)
-- inputs:    marketprism_features.footprint_by_bucket_state, marketprism_features.unified_buckets
-- time:      bucket_id
-- freshness: on insert
-- lookahead: none
-- source:    MarketProfile 0.2.0: one bin at a time, a tie goes up; but a tie for the point of control goes to the lowest price
--
-- The area grows from the point of control by the larger neighbour until it holds 70 % of the volume; bins without a
-- trade do not exist. Taking the larger head of two lists again and again is the same as sorting both by their running
-- minimum, so the walk needs no loop: it is a window sum over that order.
-- bucket_profile_between is the area alone, of a range of bucket ids: what joins it to buckets that it has read already
-- need not read them twice. FINAL as in footprint_1m.
CREATE OR REPLACE VIEW marketprism_features.footprint_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    tick_size Decimal(38, 12) COMMENT 'price step that px_bin counts, quote units',
    px_bin Int64 COMMENT 'price bin: price / tick_size',
    px Float64 COMMENT 'price of the bin, quote units',
    ask_vol Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    bid_vol Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    total_vol Decimal(38, 12) COMMENT 'ask_vol + bid_vol, base units',
    delta Decimal(38, 12) COMMENT 'ask_vol - bid_vol, base units',
    trades UInt64 COMMENT 'number of trades',
    quality LowCardinality(String) COMMENT 'that of the bucket in unified_buckets: ok, partial (open) or gap'
)
COMMENT 'footprint by bucket: taker buys and sells per price bin'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.bucket_id AS bucket_id,
    s.tick_size AS tick_size,
    s.px_bin AS px_bin,
    toFloat64(toDecimal256(s.tick_size, 12) * s.px_bin) AS px,
    s.ask_vol AS ask_vol,
    s.bid_vol AS bid_vol,
    s.ask_vol + s.bid_vol AS total_vol,
    s.ask_vol - s.bid_vol AS delta,
    s.trades AS trades,
    u.quality AS quality
FROM marketprism_features.footprint_by_bucket_state AS s FINAL
INNER JOIN (SELECT exchange, market_type, symbol, bucket_id, quality FROM marketprism_features.unified_buckets) AS u
    ON u.exchange = s.exchange AND u.market_type = s.market_type AND u.symbol = s.symbol AND u.bucket_id = s.bucket_id
SETTINGS optimize_move_to_prewhere_if_final = 1;

CREATE OR REPLACE VIEW marketprism_features.bucket_profile_between
COMMENT 'point of control and 70 % value area of each bucket (parameters from_bucket, to_bucket)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    anyIf(px, place = 0) AS poc_px,
    sumIf(bin_vol, place = 0) AS poc_vol,
    minIf(px, inside) AS value_area_low,
    maxIf(px, inside) AS value_area_high,
    sumIf(bin_vol, inside) AS value_area_vol,
    sum(bin_vol) AS total_vol,
    count() AS bins
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, px, bin_vol, place,
        10 * toDecimal256(taken - bin_vol, 12) < 7 * toDecimal256(all_vol, 12) OR place = 0 AS inside
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id, px, bin_vol, place, all_vol,
            sum(bin_vol) OVER (
                PARTITION BY exchange, market_type, symbol, bucket_id
                ORDER BY place != 0, reach DESC, place < 0, abs(place)
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ) AS taken
        FROM
        (
            SELECT
                exchange, market_type, symbol, bucket_id, px, bin_vol, all_vol,
                toInt64(rank) - toInt64(poc_rank) AS place,
                min(bin_vol) OVER (
                    PARTITION BY exchange, market_type, symbol, bucket_id, sign(place)
                    ORDER BY abs(place)
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
                ) AS reach
            FROM
            (
                SELECT
                    exchange, market_type, symbol, bucket_id, px, bin_vol, rank,
                    sum(bin_vol) OVER whole AS all_vol,
                    argMax(rank, (bin_vol, -toInt64(rank))) OVER whole AS poc_rank
                FROM
                (
                    SELECT
                        exchange, market_type, symbol, bucket_id,
                        toFloat64(toDecimal256(tick_size, 12) * px_bin) AS px,
                        ask_vol + bid_vol AS bin_vol,
                        row_number() OVER (PARTITION BY exchange, market_type, symbol, bucket_id ORDER BY px, tick_size) AS rank
                    FROM marketprism_features.footprint_by_bucket_state FINAL
                    WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
                )
                WINDOW whole AS (PARTITION BY exchange, market_type, symbol, bucket_id)
            )
        )
    )
)
GROUP BY exchange, market_type, symbol, bucket_id
SETTINGS optimize_move_to_prewhere_if_final = 1;

CREATE OR REPLACE VIEW marketprism_features.footprint_profile_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    poc_px Float64 COMMENT 'price bin with the largest volume (the lowest of equals), quote units',
    poc_vol Decimal(38, 12) COMMENT 'volume at the point of control, base units',
    value_area_low Float64 COMMENT 'lowest price of the 70 % value area, quote units',
    value_area_high Float64 COMMENT 'highest price of the 70 % value area, quote units',
    value_area_vol Decimal(38, 12) COMMENT 'volume inside the value area, base units',
    total_vol Decimal(38, 12) COMMENT 'volume of the whole bucket, base units',
    bins UInt64 COMMENT 'price bins with a trade',
    available_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the close became knowable, UTC; NULL while open; as-of reads use it',
    quality LowCardinality(String) COMMENT 'that of the bucket in unified_buckets: ok, partial (open) or gap'
)
COMMENT 'point of control and 70 % value area of each bucket'
AS SELECT
    p.exchange AS exchange,
    p.market_type AS market_type,
    p.symbol AS symbol,
    p.bucket_id AS bucket_id,
    p.poc_px AS poc_px,
    p.poc_vol AS poc_vol,
    p.value_area_low AS value_area_low,
    p.value_area_high AS value_area_high,
    p.value_area_vol AS value_area_vol,
    p.total_vol AS total_vol,
    p.bins AS bins,
    u.available_at AS available_at,
    u.quality AS quality
FROM marketprism_features.bucket_profile_between(from_bucket = 0, to_bucket = 99999999999999) AS p
INNER JOIN (SELECT exchange, market_type, symbol, bucket_id, available_at, quality FROM marketprism_features.unified_buckets) AS u
    ON u.exchange = p.exchange AND u.market_type = p.market_type AND u.symbol = p.symbol AND u.bucket_id = p.bucket_id;
