CREATE VIEW marketprism_features.volatility_by_bucket_between
COMMENT 'realised variance over 50 closed buckets (parameters from_bucket, to_bucket, newest)'
AS WITH
    length(r) AS n,
    arrayMap((a, b) -> abs(a * b), arrayPopFront(r), arrayPopBack(r)) AS pairs,
    arrayMap((a, b, c) -> (abs(a), abs(b), abs(c)), arraySlice(r, 1, n - 2), arraySlice(r, 2, n - 2), arraySlice(r, 3, n - 2)) AS triples,
    arraySum(arrayMap(x -> (x * x), r)) AS rv_of,
    (pi() / 2) * arraySum(pairs) AS bv_of,
    ((n * (n / (n - 2))) * pow((pow(2, 2 / 3) * tgamma(7 / 6)) / tgamma(1 / 2), -3)) * arraySum(arrayMap(t -> pow(((t.1) * (t.2)) * (t.3), 4 / 3), triples)) AS quarticity_of,
    (((pi() * pi()) / 4) + pi()) - 5 AS theta
SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    if(n = 50, rv_of, NULL) AS realised_variance,
    if(n = 50, bv_of, NULL) AS bipower_variance,
    if(n = 50, ((pi() / ((6 - (4 * sqrt(3))) + pi())) * (n / (n - 2))) * arraySum(arrayMap(t -> pow(((((t.1) + (t.2)) + (t.3)) - greatest(t.1, t.2, t.3)) - least(t.1, t.2, t.3), 2), triples)), NULL) AS medrv,
    if(n = 50, ((pi() / (pi() - 2)) * (n / (n - 1))) * arraySum(arrayMap((a, b) -> pow(least(abs(a), abs(b)), 2), arrayPopFront(r), arrayPopBack(r))), NULL) AS minrv,
    if(n = 50, arraySum(arrayMap(x -> if(x < 0, x * x, 0), r)), NULL) AS semivariance_down,
    if(n = 50, arraySum(arrayMap(x -> if(x > 0, x * x, 0), r)), NULL) AS semivariance_up,
    if(n = 50, quarticity_of, NULL) AS tripower_quarticity,
    if(n = 50, greatest(1 - (bv_of / nullIf(rv_of, 0)), 0), NULL) AS jump_share,
    if(n = 50, (sqrt(n) * (rv_of - bv_of)) / nullIf(sqrt(theta * quarticity_of), 0), NULL) AS bns_z,
    if(n = 50, (sqrt(n) * (1 - (bv_of / nullIf(rv_of, 0)))) / nullIf(sqrt(theta * greatest(1, quarticity_of / nullIf(bv_of * bv_of, 0))), 0), NULL) AS bns_ratio_z,
    if(n = 50, (r[-1]) / nullIf(sqrt(arraySum(arrayPopBack(pairs)) / (n - 2)), 0), NULL) AS lee_mykland,
    abs(lee_mykland) > (((sqrt(2 * log(1440)) - ((log(pi()) + log(log(1440))) / (2 * sqrt(2 * log(1440))))) - (log(-log(0.99)) / sqrt(2 * log(1440)))) / sqrt(2 / pi())) AS is_jump,
    if(length(spreads) = 50, (10000 * arraySum(spreads)) / 50, NULL) AS corwin_schultz_bps,
    window_buckets,
    known AS available_at,
    multiIf(window_gaps > 0, 'gap', window_buckets < 51, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        bucket_ts_end,
        groupArray(step) OVER last_50 AS r,
        groupArray(spread) OVER last_50 AS spreads,
        count() OVER last_51 AS window_buckets,
        countIf(grade = 'gap') OVER last_51 AS window_gaps,
        assumeNotNull(max(receipt) OVER last_51) AS known
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            bucket_ts_end,
            receipt,
            grade,
            log(price / nullIf(before.1, 0)) AS step,
            pow(log(`top` / nullIf(bottom, 0)), 2) + pow(log((before.2) / nullIf(before.3, 0)), 2) AS beta,
            pow(log(greatest(`top`, before.2) / nullIf(least(bottom, before.3), 0)), 2) AS gamma,
            exp(greatest(((sqrt(2 * beta) - sqrt(beta)) / (3 - (2 * sqrt(2)))) - sqrt(gamma / (3 - (2 * sqrt(2)))), 0)) AS ratio,
            if((before.1) > 0, (2 * (ratio - 1)) / (1 + ratio), NULL) AS spread
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                bucket_id,
                bucket_ts_end,
                quality AS grade,
                available_at AS receipt,
                toFloat64(close) AS price,
                toFloat64(high) AS `top`,
                toFloat64(low) AS bottom,
                lagInFrame((price, `top`, bottom)) OVER (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
            FROM `marketprism_features.unified_buckets_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
            WHERE is_closed
        )
    )
    WINDOW
        last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 49 PRECEDING AND CURRENT ROW),
        last_51 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 50 PRECEDING AND CURRENT ROW)
)
