-- name:      volatility_by_bucket_between
-- purpose:   realised variance over the last 50 closed buckets, jumps, and the spread implied by highs and lows, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.unified_buckets_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    R highfrequency 1.0.0 (equal on five days of minutes): rRVar, rBPCov, rMedRVar, rMinRVar, rSVar, rTPQuar, BNSjumpTest; Lee, Mykland (2008)
--
-- Returns are log ratios of closes, bucket to bucket, across midnight: variance per 50 buckets, not per time.
-- Corwin, Schultz (2012) on pairs of neighbouring buckets, a negative alpha taken as 0 before the mean is taken.
--
-- Parameters as in unified_buckets_between; the windows of the first buckets of a range reach no further back than it.
CREATE VIEW IF NOT EXISTS marketprism_features.volatility_by_bucket_between
COMMENT 'realised variance over 50 closed buckets (parameters from_bucket, to_bucket, newest)'
AS WITH
    length(r) AS n,
    arrayMap((a, b) -> abs(a * b), arrayPopFront(r), arrayPopBack(r)) AS pairs,
    arrayMap((a, b, c) -> (abs(a), abs(b), abs(c)), arraySlice(r, 1, n - 2), arraySlice(r, 2, n - 2), arraySlice(r, 3, n - 2)) AS triples,
    arraySum(arrayMap(x -> x * x, r)) AS rv_of,
    pi() / 2 * arraySum(pairs) AS bv_of,
    n * (n / (n - 2)) * pow(pow(2, 2 / 3) * tgamma(7 / 6) / tgamma(1 / 2), -3) * arraySum(arrayMap(t -> pow(t.1 * t.2 * t.3, 4 / 3), triples)) AS quarticity_of,
    pi() * pi() / 4 + pi() - 5 AS theta
SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    if(n = 50, rv_of, NULL) AS realised_variance,
    if(n = 50, bv_of, NULL) AS bipower_variance,
    if(n = 50, pi() / (6 - 4 * sqrt(3) + pi()) * (n / (n - 2)) * arraySum(arrayMap(t -> pow(t.1 + t.2 + t.3 - greatest(t.1, t.2, t.3) - least(t.1, t.2, t.3), 2), triples)), NULL) AS medrv,
    if(n = 50, pi() / (pi() - 2) * (n / (n - 1)) * arraySum(arrayMap((a, b) -> pow(least(abs(a), abs(b)), 2), arrayPopFront(r), arrayPopBack(r))), NULL) AS minrv,
    if(n = 50, arraySum(arrayMap(x -> if(x < 0, x * x, 0), r)), NULL) AS semivariance_down,
    if(n = 50, arraySum(arrayMap(x -> if(x > 0, x * x, 0), r)), NULL) AS semivariance_up,
    if(n = 50, quarticity_of, NULL) AS tripower_quarticity,
    if(n = 50, greatest(1 - bv_of / nullIf(rv_of, 0), 0), NULL) AS jump_share,
    if(n = 50, sqrt(n) * (rv_of - bv_of) / nullIf(sqrt(theta * quarticity_of), 0), NULL) AS bns_z,
    if(n = 50, sqrt(n) * (1 - bv_of / nullIf(rv_of, 0)) / nullIf(sqrt(theta * greatest(1, quarticity_of / nullIf(bv_of * bv_of, 0))), 0), NULL) AS bns_ratio_z,
    if(n = 50, r[-1] / nullIf(sqrt(arraySum(arrayPopBack(pairs)) / (n - 2)), 0), NULL) AS lee_mykland,
    abs(lee_mykland) > (sqrt(2 * log(1440)) - (log(pi()) + log(log(1440))) / (2 * sqrt(2 * log(1440))) - log(-log(0.99)) / sqrt(2 * log(1440))) / sqrt(2 / pi()) AS is_jump,
    if(length(spreads) = 50, 10000 * arraySum(spreads) / 50, NULL) AS corwin_schultz_bps,
    window_buckets,
    known AS available_at,
    multiIf(window_gaps > 0, 'gap', window_buckets < 51, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, bucket_ts_end,
        groupArray(step) OVER last_50 AS r,
        groupArray(spread) OVER last_50 AS spreads,
        count() OVER last_51 AS window_buckets,
        countIf(grade = 'gap') OVER last_51 AS window_gaps,
        assumeNotNull(max(receipt) OVER last_51) AS known
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id, bucket_ts_end, receipt, grade,
            log(price / nullIf(before.1, 0)) AS step,
            pow(log(top / nullIf(bottom, 0)), 2) + pow(log(before.2 / nullIf(before.3, 0)), 2) AS beta,
            pow(log(greatest(top, before.2) / nullIf(least(bottom, before.3), 0)), 2) AS gamma,
            exp(greatest((sqrt(2 * beta) - sqrt(beta)) / (3 - 2 * sqrt(2)) - sqrt(gamma / (3 - 2 * sqrt(2))), 0)) AS ratio,
            if(before.1 > 0, 2 * (ratio - 1) / (1 + ratio), NULL) AS spread
        FROM
        (
            SELECT
                exchange, market_type, symbol, bucket_id, bucket_ts_end,
                quality AS grade,
                available_at AS receipt,
                toFloat64(close) AS price,
                toFloat64(high) AS top,
                toFloat64(low) AS bottom,
                lagInFrame((price, top, bottom)) OVER (
                    PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
                ) AS before
            FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
            WHERE is_closed
        )
    )
    WINDOW
        last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 49 PRECEDING AND CURRENT ROW),
        last_51 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 50 PRECEDING AND CURRENT ROW)
);

CREATE OR REPLACE VIEW marketprism_features.volatility_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    realised_variance Nullable(Float64) COMMENT 'sum of squared log returns of the window; NULL below the full window',
    bipower_variance Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|, without a finite-sample factor of the window; NULL below the full window',
    medrv Nullable(Float64) COMMENT 'MedRV: jump-robust variance from medians of three neighbouring |returns|, with n / (n - 2) of the window; NULL below the full window',
    minrv Nullable(Float64) COMMENT 'MinRV: jump-robust variance from minima of two neighbouring |returns|, with n / (n - 1) of the window; NULL below the full window',
    semivariance_down Nullable(Float64) COMMENT 'sum of squared negative log returns of the window; NULL below the full window',
    semivariance_up Nullable(Float64) COMMENT 'sum of squared positive log returns of the window; NULL below the full window',
    tripower_quarticity Nullable(Float64) COMMENT 'tripower quarticity with n * n / (n - 2) of the window; NULL below the full window',
    jump_share Nullable(Float64) COMMENT 'share of the variance that jumps made: 1 - bipower / realised, at least 0 of the window; NULL below the full window',
    bns_z Nullable(Float64) COMMENT 'Barndorff-Nielsen Shephard jump statistic, linear form with tripower quarticity; standard normal without jumps, one-sided of the window; NULL below the full window',
    bns_ratio_z Nullable(Float64) COMMENT 'the same statistic in ratio form with the maximum adjustment of the window; NULL below the full window',
    lee_mykland Nullable(Float64) COMMENT 'the last return over the deviation that bipower variation of the returns before it implies (Lee, Mykland 2008); NULL below the full window',
    is_jump Nullable(UInt8) COMMENT '|lee_mykland| is above the 1 % critical value of the maximum of 1,440 tests, 5.7775',
    corwin_schultz_bps Nullable(Float64) COMMENT 'mean spread implied by highs and lows of neighbouring buckets over the last 50, basis points',
    window_buckets UInt64 COMMENT 'closed buckets in the window, this one included; at most 51',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, warmup (fewer than 51 closed buckets) or gap (a hole touches the window)'
)
COMMENT 'realised variance over 50 closed buckets'
AS SELECT *
FROM marketprism_features.volatility_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, newest = 0);
