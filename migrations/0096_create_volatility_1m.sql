-- name:      volatility_1m
-- purpose:   realised variance over the last hour of minutes, jumps, the spread implied by highs and lows, and the regime
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.trades_1m, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    R highfrequency 1.0.0 (equal on five days of minutes): rRVar, rBPCov, rMedRVar, rMinRVar, rSVar, rTPQuar, BNSjumpTest; Lee, Mykland (2008)
--
-- Returns are log ratios of closes of neighbouring minutes; an hour in which not every minute traded gives NULL.
-- Corwin, Schultz (2012) on pairs of neighbouring minutes, a negative alpha taken as 0 before the mean is taken.
-- Regime: |return| of the minute and its trades against the 0.8 and 0.2 quantiles of the last day: high when both are
-- above, low when both are below; below 720 minutes the fixed bounds 0.001 and 100 trades, 0.0003 and 30 trades.
CREATE VIEW IF NOT EXISTS marketprism_features.volatility_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
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
    corwin_schultz_bps Nullable(Float64) COMMENT 'mean spread implied by highs and lows of neighbouring minutes over the last hour, basis points',
    regime String COMMENT 'high, normal or low: the minute\'s volatility and trades against the last day\'s',
    window_minutes UInt64 COMMENT 'minutes with a return in the last day, at most 1,440',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the minute is not over), gap (a hole in the trades of the last hour) or warmup (not every minute of it has a return)'
)
COMMENT 'realised variance over the last hour'
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
    ts_1m,
    if(n = 60, rv_of, NULL) AS realised_variance,
    if(n = 60, bv_of, NULL) AS bipower_variance,
    if(n = 60, pi() / (6 - 4 * sqrt(3) + pi()) * (n / (n - 2)) * arraySum(arrayMap(t -> pow(t.1 + t.2 + t.3 - greatest(t.1, t.2, t.3) - least(t.1, t.2, t.3), 2), triples)), NULL) AS medrv,
    if(n = 60, pi() / (pi() - 2) * (n / (n - 1)) * arraySum(arrayMap((a, b) -> pow(least(abs(a), abs(b)), 2), arrayPopFront(r), arrayPopBack(r))), NULL) AS minrv,
    if(n = 60, arraySum(arrayMap(x -> if(x < 0, x * x, 0), r)), NULL) AS semivariance_down,
    if(n = 60, arraySum(arrayMap(x -> if(x > 0, x * x, 0), r)), NULL) AS semivariance_up,
    if(n = 60, quarticity_of, NULL) AS tripower_quarticity,
    if(n = 60, greatest(1 - bv_of / nullIf(rv_of, 0), 0), NULL) AS jump_share,
    if(n = 60, sqrt(n) * (rv_of - bv_of) / nullIf(sqrt(theta * quarticity_of), 0), NULL) AS bns_z,
    if(n = 60, sqrt(n) * (1 - bv_of / nullIf(rv_of, 0)) / nullIf(sqrt(theta * greatest(1, quarticity_of / nullIf(bv_of * bv_of, 0))), 0), NULL) AS bns_ratio_z,
    if(n = 60, r[-1] / nullIf(sqrt(arraySum(arrayPopBack(pairs)) / (n - 2)), 0), NULL) AS lee_mykland,
    abs(lee_mykland) > (sqrt(2 * log(1440)) - (log(pi()) + log(log(1440))) / (2 * sqrt(2 * log(1440))) - log(-log(0.99)) / sqrt(2 * log(1440))) / sqrt(2 / pi()) AS is_jump,
    if(spreads_60 = 60, 10000 * arraySum(spreads) / 60, NULL) AS corwin_schultz_bps,
    multiIf(
        abs(step) > if(window_minutes >= 720, move_high, 0.001) AND trades > if(window_minutes >= 720, trades_high, 100), 'high',
        abs(step) < if(window_minutes >= 720, move_low, 0.0003) AND trades < if(window_minutes >= 720, trades_low, 30), 'low',
        'normal'
    ) AS regime,
    window_minutes,
    greatest(known, toDateTime64(ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at, 'partial', window_gaps > 0, 'gap', n < 60, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, ts_1m, trades, step,
        groupArray(step) OVER last_60 AS r,
        groupArray(spread) OVER last_60 AS spreads,
        count(spread) OVER last_60 AS spreads_60,
        quantileExactInclusive(0.8)(abs(step)) OVER last_day AS move_high,
        quantileExactInclusive(0.2)(abs(step)) OVER last_day AS move_low,
        quantileExactInclusive(0.8)(trades) OVER last_day AS trades_high,
        quantileExactInclusive(0.2)(trades) OVER last_day AS trades_low,
        count(step) OVER last_day AS window_minutes,
        countIf(is_hole) OVER last_60 AS window_gaps,
        max(receipt) OVER last_day AS known
    FROM
    (
        SELECT
            exchange, market_type, symbol, ts_1m, at_s, trades, receipt, is_hole,
            if(before.1 = at_s - 60, log(price / nullIf(before.2, 0)), NULL) AS step,
            pow(log(top / nullIf(bottom, 0)), 2) + pow(log(before.3 / nullIf(before.4, 0)), 2) AS beta,
            pow(log(greatest(top, before.3) / nullIf(least(bottom, before.4), 0)), 2) AS gamma,
            exp(greatest((sqrt(2 * beta) - sqrt(beta)) / (3 - 2 * sqrt(2)) - sqrt(gamma / (3 - 2 * sqrt(2))), 0)) AS ratio,
            if(before.1 = at_s - 60, 2 * (ratio - 1) / (1 + ratio), NULL) AS spread
        FROM
        (
            SELECT
                t.exchange AS exchange,
                t.market_type AS market_type,
                t.symbol AS symbol,
                t.ts_1m AS ts_1m,
                toUnixTimestamp(t.ts_1m) AS at_s,
                t.trade_count AS trades,
                toFloat64(t.close) AS price,
                toFloat64(t.high) AS top,
                toFloat64(t.low) AS bottom,
                t.available_at AS receipt,
                g.of_type != '' AS is_hole,
                lagInFrame((at_s, price, top, bottom)) OVER (
                    PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY t.ts_1m ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
                ) AS before
            FROM marketprism_features.trades_1m AS t
            LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
                ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m
        )
    )
    WINDOW
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 3540 PRECEDING AND CURRENT ROW),
        last_day AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 86340 PRECEDING AND CURRENT ROW)
);
