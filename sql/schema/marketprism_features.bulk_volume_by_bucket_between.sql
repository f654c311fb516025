CREATE VIEW marketprism_features.bulk_volume_by_bucket_between
COMMENT 'bulk volume classification by bucket (parameters from_bucket, to_bucket, newest)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    volume * share AS bvc_buy_volume,
    volume * (1 - share) AS bvc_sell_volume,
    (2 * share) - 1 AS bvc_imbalance,
    if(window_shares = 50, arraySum(tilts) / nullIf(arraySum(volumes), 0), NULL) AS vpin_bvc,
    window_shares,
    known_at AS available_at,
    multiIf(window_gaps > 0, 'gap', window_shares < 50, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        bucket_ts_end,
        volume,
        share,
        groupArrayIf(abs((2 * assumeNotNull(share)) - 1) * volume, share IS NOT NULL) OVER last_50 AS tilts,
        groupArrayIf(volume, share IS NOT NULL) OVER last_50 AS volumes,
        count(share) OVER last_50 AS window_shares,
        countIf(grade = 'gap') OVER last_102 AS window_gaps,
        assumeNotNull(max(known) OVER last_102) AS known_at
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            bucket_ts_end,
            volume,
            grade,
            known,
            arrayReduce('stddevSampStable', changes) AS sigma,
            if((length(changes) = 50) AND (sigma > 0), 0.5 * (1 + erf((assumeNotNull(change) / sigma) / sqrt(2))), NULL) AS share
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                bucket_id,
                bucket_ts_end,
                volume,
                grade,
                known,
                change,
                groupArray(change) OVER fifty_before AS changes
            FROM
            (
                SELECT
                    exchange,
                    market_type,
                    symbol,
                    bucket_id,
                    bucket_ts_end,
                    toFloat64(vol) AS volume,
                    quality AS grade,
                    available_at AS known,
                    toFloat64(close - lagInFrame(toNullable(close), 1, NULL) OVER (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)) AS change
                FROM `marketprism_features.unified_buckets_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
                WHERE is_closed
            )
            WINDOW fifty_before AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING)
        )
    )
    WINDOW
        last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 49 PRECEDING AND CURRENT ROW),
        last_102 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 101 PRECEDING AND CURRENT ROW)
)
