-- name:      bulk_volume_by_bucket_between
-- purpose:   buy volume without a taker flag: bulk volume classification, and the VPIN that comes of it, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.unified_buckets_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    Easley, Lopez de Prado, O'Hara (2012): V * Phi(change / sigma); PINstimation takes sigma of the whole sample, which looks ahead
--
-- sigma is the sample deviation of the changes of close over the 50 buckets before this one. Never compare vpin_bvc with
-- vpin, which knows the taker's side.
--
-- Parameters as in unified_buckets_between; the windows of the first buckets of a range reach no further back than it.
CREATE VIEW IF NOT EXISTS marketprism_features.bulk_volume_by_bucket_between
COMMENT 'bulk volume classification by bucket (parameters from_bucket, to_bucket, newest)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    volume * share AS bvc_buy_volume,
    volume * (1 - share) AS bvc_sell_volume,
    2 * share - 1 AS bvc_imbalance,
    if(window_shares = 50, arraySum(tilts) / nullIf(arraySum(volumes), 0), NULL) AS vpin_bvc,
    window_shares,
    known_at AS available_at,
    multiIf(window_gaps > 0, 'gap', window_shares < 50, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, bucket_ts_end, volume, share,
        groupArrayIf(abs(2 * assumeNotNull(share) - 1) * volume, share IS NOT NULL) OVER last_50 AS tilts,
        groupArrayIf(volume, share IS NOT NULL) OVER last_50 AS volumes,
        count(share) OVER last_50 AS window_shares,
        countIf(grade = 'gap') OVER last_102 AS window_gaps,
        assumeNotNull(max(known) OVER last_102) AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id, bucket_ts_end, volume, grade, known,
            arrayReduce('stddevSampStable', changes) AS sigma,
            if(length(changes) = 50 AND sigma > 0, 0.5 * (1 + erf(assumeNotNull(change) / sigma / sqrt(2))), NULL) AS share
        FROM
        (
            SELECT
                exchange, market_type, symbol, bucket_id, bucket_ts_end, volume, grade, known, change,
                groupArray(change) OVER fifty_before AS changes
            FROM
            (
                SELECT
                    exchange, market_type, symbol, bucket_id, bucket_ts_end,
                    toFloat64(vol) AS volume,
                    quality AS grade,
                    available_at AS known,
                    toFloat64(close - lagInFrame(toNullable(close), 1, NULL) OVER (
                        PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
                    )) AS change
                FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
                WHERE is_closed
            )
            WINDOW fifty_before AS (
                PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING
            )
        )
    )
    WINDOW
        last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 49 PRECEDING AND CURRENT ROW),
        last_102 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 101 PRECEDING AND CURRENT ROW)
);

CREATE OR REPLACE VIEW marketprism_features.bulk_volume_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    bvc_buy_volume Nullable(Float64) COMMENT 'volume * Phi(change of close / sigma), base units; NULL below 50 changes before',
    bvc_sell_volume Nullable(Float64) COMMENT 'the rest of the volume, base units',
    bvc_imbalance Nullable(Float64) COMMENT '(buy - sell) / volume so classified, -1 to 1',
    vpin_bvc Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume so classified over 50 closed buckets, 0 to 1; NULL below 50',
    window_shares UInt64 COMMENT 'classified buckets among the last 50',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, warmup (fewer than 50 classified buckets) or gap (a hole touches a bucket behind the row)'
)
COMMENT 'bulk volume classification by bucket'
AS SELECT *
FROM marketprism_features.bulk_volume_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, newest = 0);
