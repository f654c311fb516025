-- name:      volatility_1d
-- purpose:   realised variance of each UTC day from minute closes, robust and one-sided forms, and the test for jumps
-- grain:     one row per (exchange, market_type, symbol, day)
-- inputs:    marketprism_features.trades_1m, marketprism_features.gap_minutes
-- time:      day
-- freshness: when read
-- lookahead: none
-- source:    R highfrequency 1.0.0 (equal on five days of minutes): rRVar, rBPCov, rMedRVar, rMinRVar, rSVar, rTPQuar, BNSjumpTest; Lee, Mykland (2008)
--
-- Returns are log ratios of the closes of neighbouring minutes of the day, as in volatility_1m: a step across minutes that
-- did not trade, or that are missing, is no return.
-- What was received is on its way for a moment: the clock alone closes nothing before 3 s have passed.
CREATE OR REPLACE VIEW marketprism_features.volatility_1d
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    day Date COMMENT 'UTC day',
    realised_variance Nullable(Float64) COMMENT 'sum of squared log returns of the day; NULL below three returns',
    bipower_variance Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|, without a finite-sample factor of the day; NULL below three returns',
    medrv Nullable(Float64) COMMENT 'MedRV: jump-robust variance from medians of three neighbouring |returns|, with n / (n - 2) of the day; NULL below three returns',
    minrv Nullable(Float64) COMMENT 'MinRV: jump-robust variance from minima of two neighbouring |returns|, with n / (n - 1) of the day; NULL below three returns',
    semivariance_down Nullable(Float64) COMMENT 'sum of squared negative log returns of the day; NULL below three returns',
    semivariance_up Nullable(Float64) COMMENT 'sum of squared positive log returns of the day; NULL below three returns',
    tripower_quarticity Nullable(Float64) COMMENT 'tripower quarticity with n * n / (n - 2) of the day; NULL below three returns',
    jump_share Nullable(Float64) COMMENT 'share of the variance that jumps made: 1 - bipower / realised, at least 0 of the day; NULL below three returns',
    bns_z Nullable(Float64) COMMENT 'Barndorff-Nielsen Shephard jump statistic, linear form with tripower quarticity; standard normal without jumps, one-sided of the day; NULL below three returns',
    bns_ratio_z Nullable(Float64) COMMENT 'the same statistic in ratio form with the maximum adjustment of the day; NULL below three returns',
    n_returns UInt64 COMMENT 'returns of the day, each from the minute before',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the day is not over), gap (an unrepaired hole in the trades touches it) or warmup (fewer than 1,000 of its minutes have a return)'
)
COMMENT 'realised variance of each UTC day'
AS WITH
    length(r) AS n,
    arrayMap((a, b) -> abs(a * b), arrayPopFront(r), arrayPopBack(r)) AS pairs,
    arrayMap((a, b, c) -> (abs(a), abs(b), abs(c)), arraySlice(r, 1, n - 2), arraySlice(r, 2, n - 2), arraySlice(r, 3, n - 2)) AS triples,
    arraySum(arrayMap(x -> x * x, r)) AS rv_of,
    pi() / 2 * arraySum(pairs) AS bv_of,
    n * (n / (n - 2)) * pow(pow(2, 2 / 3) * tgamma(7 / 6) / tgamma(1 / 2), -3) * arraySum(arrayMap(t -> pow(t.1 * t.2 * t.3, 4 / 3), triples)) AS quarticity_of,
    pi() * pi() / 4 + pi() - 5 AS theta
SELECT
    d.exchange AS exchange,
    d.market_type AS market_type,
    d.symbol AS symbol,
    d.day AS day,
    if(n >= 3, rv_of, NULL) AS realised_variance,
    if(n >= 3, bv_of, NULL) AS bipower_variance,
    if(n >= 3, pi() / (6 - 4 * sqrt(3) + pi()) * (n / (n - 2)) * arraySum(arrayMap(t -> pow(t.1 + t.2 + t.3 - greatest(t.1, t.2, t.3) - least(t.1, t.2, t.3), 2), triples)), NULL) AS medrv,
    if(n >= 3, pi() / (pi() - 2) * (n / (n - 1)) * arraySum(arrayMap((a, b) -> pow(least(abs(a), abs(b)), 2), arrayPopFront(r), arrayPopBack(r))), NULL) AS minrv,
    if(n >= 3, arraySum(arrayMap(x -> if(x < 0, x * x, 0), r)), NULL) AS semivariance_down,
    if(n >= 3, arraySum(arrayMap(x -> if(x > 0, x * x, 0), r)), NULL) AS semivariance_up,
    if(n >= 3, quarticity_of, NULL) AS tripower_quarticity,
    if(n >= 3, greatest(1 - bv_of / nullIf(rv_of, 0), 0), NULL) AS jump_share,
    if(n >= 3, sqrt(n) * (rv_of - bv_of) / nullIf(sqrt(theta * quarticity_of), 0), NULL) AS bns_z,
    if(n >= 3, sqrt(n) * (1 - bv_of / nullIf(rv_of, 0)) / nullIf(sqrt(theta * greatest(1, quarticity_of / nullIf(bv_of * bv_of, 0))), 0), NULL) AS bns_ratio_z,
    n AS n_returns,
    greatest(d.heard_at, toDateTime64(d.day + 1, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', g.holes > 0, 'gap', n < 1000, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toDate(ts_1m) AS day,
        arraySort(groupArray((ts_1m, log(toFloat64(close))))) AS minutes,
        arrayFilter((later, earlier) -> later.1 - earlier.1 = 60, arrayPopFront(minutes), arrayPopBack(minutes)) AS ends,
        arrayFilter((earlier, later) -> later.1 - earlier.1 = 60, arrayPopBack(minutes), arrayPopFront(minutes)) AS starts,
        arrayMap((later, earlier) -> later.2 - earlier.2, ends, starts) AS r,
        max(available_at) AS heard_at
    FROM marketprism_features.trades_1m
    GROUP BY exchange, market_type, symbol, day
) AS d
LEFT JOIN
(
    SELECT exchange, market_type, symbol, toDate(ts_1m) AS day, count() AS holes
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'trades'
    GROUP BY exchange, market_type, symbol, day
) AS g ON g.exchange = d.exchange AND g.market_type = d.market_type AND g.symbol = d.symbol AND g.day = d.day;
