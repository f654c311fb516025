CREATE VIEW marketprism_features.volatility_1m_between
COMMENT 'realised variance over the last hour (parameters from_ts, to_ts)'
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
    ts_1m,
    if(n = 60, rv_of, NULL) AS realised_variance,
    if(n = 60, bv_of, NULL) AS bipower_variance,
    if(n = 60, ((pi() / ((6 - (4 * sqrt(3))) + pi())) * (n / (n - 2))) * arraySum(arrayMap(t -> pow(((((t.1) + (t.2)) + (t.3)) - greatest(t.1, t.2, t.3)) - least(t.1, t.2, t.3), 2), triples)), NULL) AS medrv,
    if(n = 60, ((pi() / (pi() - 2)) * (n / (n - 1))) * arraySum(arrayMap((a, b) -> pow(least(abs(a), abs(b)), 2), arrayPopFront(r), arrayPopBack(r))), NULL) AS minrv,
    if(n = 60, arraySum(arrayMap(x -> if(x < 0, x * x, 0), r)), NULL) AS semivariance_down,
    if(n = 60, arraySum(arrayMap(x -> if(x > 0, x * x, 0), r)), NULL) AS semivariance_up,
    if(n = 60, quarticity_of, NULL) AS tripower_quarticity,
    if(n = 60, greatest(1 - (bv_of / nullIf(rv_of, 0)), 0), NULL) AS jump_share,
    if(n = 60, (sqrt(n) * (rv_of - bv_of)) / nullIf(sqrt(theta * quarticity_of), 0), NULL) AS bns_z,
    if(n = 60, (sqrt(n) * (1 - (bv_of / nullIf(rv_of, 0)))) / nullIf(sqrt(theta * greatest(1, quarticity_of / nullIf(bv_of * bv_of, 0))), 0), NULL) AS bns_ratio_z,
    if(n = 60, (r[-1]) / nullIf(sqrt(arraySum(arrayPopBack(pairs)) / (n - 2)), 0), NULL) AS lee_mykland,
    abs(lee_mykland) > (((sqrt(2 * log(1440)) - ((log(pi()) + log(log(1440))) / (2 * sqrt(2 * log(1440))))) - (log(-log(0.99)) / sqrt(2 * log(1440)))) / sqrt(2 / pi())) AS is_jump,
    if(spreads_60 = 60, (10000 * arraySum(spreads)) / 60, NULL) AS corwin_schultz_bps,
    multiIf((abs(step) > if(window_minutes >= 720, move_high, 0.001)) AND (trades > if(window_minutes >= 720, trades_high, 100)), 'high', (abs(step) < if(window_minutes >= 720, move_low, 0.0003)) AND (trades < if(window_minutes >= 720, trades_low, 30)), 'low', 'normal') AS regime,
    window_minutes,
    greatest(known, toDateTime64(ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', window_gaps > 0, 'gap', n < 60, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1m,
        trades,
        step,
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
            exchange,
            market_type,
            symbol,
            ts_1m,
            at_s,
            trades,
            receipt,
            is_hole,
            if((before.1) = (at_s - 60), log(price / nullIf(before.2, 0)), NULL) AS step,
            pow(log(`top` / nullIf(bottom, 0)), 2) + pow(log((before.3) / nullIf(before.4, 0)), 2) AS beta,
            pow(log(greatest(`top`, before.3) / nullIf(least(bottom, before.4), 0)), 2) AS gamma,
            exp(greatest(((sqrt(2 * beta) - sqrt(beta)) / (3 - (2 * sqrt(2)))) - sqrt(gamma / (3 - (2 * sqrt(2)))), 0)) AS ratio,
            if((before.1) = (at_s - 60), (2 * (ratio - 1)) / (1 + ratio), NULL) AS spread
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
                toFloat64(t.high) AS `top`,
                toFloat64(t.low) AS bottom,
                t.available_at AS receipt,
                g.of_type != '' AS is_hole,
                lagInFrame((at_s, price, `top`, bottom)) OVER (PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY t.ts_1m ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
            FROM
            (
                SELECT *
                FROM marketprism_features.trades_1m
                WHERE (ts_1m >= {from_ts:DateTime64(3)}) AND (ts_1m <= {to_ts:DateTime64(3)})
            ) AS t
            LEFT JOIN
            (
                SELECT *
                FROM marketprism_features.gap_minutes
                WHERE of_type = 'trades'
            ) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.ts_1m = t.ts_1m)
        )
    )
    WINDOW
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 3540 PRECEDING AND CURRENT ROW),
        last_day AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 86340 PRECEDING AND CURRENT ROW)
)
