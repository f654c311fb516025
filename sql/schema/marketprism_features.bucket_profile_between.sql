CREATE VIEW marketprism_features.bucket_profile_between
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
        exchange,
        market_type,
        symbol,
        bucket_id,
        px,
        bin_vol,
        place,
        ((10 * toDecimal256(taken - bin_vol, 12)) < (7 * toDecimal256(all_vol, 12))) OR (place = 0) AS inside
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            px,
            bin_vol,
            place,
            all_vol,
            sum(bin_vol) OVER (PARTITION BY exchange, market_type, symbol, bucket_id ORDER BY place != 0 ASC, reach DESC, place < 0 ASC, abs(place) ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS taken
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                bucket_id,
                px,
                bin_vol,
                all_vol,
                toInt64(rank) - toInt64(poc_rank) AS place,
                min(bin_vol) OVER (PARTITION BY exchange, market_type, symbol, bucket_id, sign(place) ORDER BY abs(place) ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS reach
            FROM
            (
                SELECT
                    exchange,
                    market_type,
                    symbol,
                    bucket_id,
                    px,
                    bin_vol,
                    rank,
                    sum(bin_vol) OVER whole AS all_vol,
                    argMax(rank, (bin_vol, -toInt64(rank))) OVER whole AS poc_rank
                FROM
                (
                    SELECT
                        exchange,
                        market_type,
                        symbol,
                        bucket_id,
                        toFloat64(toDecimal256(tick_size, 12) * px_bin) AS px,
                        ask_vol + bid_vol AS bin_vol,
                        row_number() OVER (PARTITION BY exchange, market_type, symbol, bucket_id ORDER BY px ASC, tick_size ASC) AS rank
                    FROM marketprism_features.footprint_by_bucket_state
                    FINAL
                    WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
                )
                WINDOW whole AS (PARTITION BY exchange, market_type, symbol, bucket_id)
            )
        )
    )
)
GROUP BY
    exchange,
    market_type,
    symbol,
    bucket_id
SETTINGS optimize_move_to_prewhere_if_final = 1
