CREATE VIEW marketprism_features.impact_1m_between
COMMENT 'price impact by regression over 50 minutes (parameters from_ts, to_ts, since)'
AS WITH
    length(points) AS n,
    n >= 20 AS is_full,
    arraySum(arrayMap(p -> (p.1), points)) / n AS x_mean,
    arraySum(arrayMap(p -> (p.2), points)) / n AS y_mean,
    arraySum(arrayMap(p -> (((p.1) - x_mean) * ((p.1) - x_mean)), points)) AS sxx,
    arraySum(arrayMap(p -> (((p.1) - x_mean) * ((p.2) - y_mean)), points)) AS sxy,
    arraySum(arrayMap(p -> (((p.2) - y_mean) * ((p.2) - y_mean)), points)) AS syy,
    arraySum(arrayMap(p -> (p.3), points)) AS w_sum,
    arraySum(arrayMap(p -> ((p.3) * (p.1)), points)) / w_sum AS x_wmean,
    arraySum(arrayMap(p -> ((p.3) * (p.2)), points)) / w_sum AS y_wmean,
    arraySum(arrayMap(p -> (((p.3) * ((p.1) - x_wmean)) * ((p.1) - x_wmean)), points)) AS wxx,
    arraySum(arrayMap(p -> (((p.3) * ((p.1) - x_wmean)) * ((p.2) - y_wmean)), points)) AS wxy,
    arraySum(arrayMap(p -> (((p.3) * ((p.2) - y_wmean)) * ((p.2) - y_wmean)), points)) AS wyy,
    arraySum(arrayMap(p -> pow(((p.2) - y_mean) - ((sxy / sxx) * ((p.1) - x_mean)), 2), points)) AS rest,
    arraySum(arrayMap(p -> ((p.3) * pow(((p.2) - y_wmean) - ((wxy / wxx) * ((p.1) - x_wmean)), 2)), points)) AS w_rest,
    length(moves) >= 20 AS is_moved,
    (length(roots) >= 20) AND (length(roots) = length(moves)) AS is_rooted,
    arraySum(arrayMap(m -> ((m.1) * (m.1)), roots)) AS root_square,
    arraySum(arrayMap(m -> ((m.1) * (m.2)), roots)) / nullIf(root_square, 0) AS root_slope
SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    if(is_full AND (sxx > 0), sxy / sxx, NULL) AS kyle_lambda_mid,
    if(is_full AND (sxx > 0), sqrt((rest / (n - 2)) / sxx), NULL) AS kyle_mid_stderr,
    if(is_full AND (sxx > 0) AND (syy > 0), 1 - (rest / syy), NULL) AS kyle_mid_r2,
    if(is_full AND (wxx > 0), wxy / wxx, NULL) AS kyle_lambda_wls,
    if(is_full AND (wxx > 0), sqrt((w_rest / (n - 2)) / wxx), NULL) AS kyle_wls_stderr,
    if(is_full AND (wxx > 0) AND (wyy > 0), 1 - (w_rest / wyy), NULL) AS kyle_wls_r2,
    if(is_rooted, root_slope, NULL) AS hasbrouck_lambda,
    if(is_rooted, root_slope / nullIf(sqrt((arraySum(arrayMap(m -> pow((m.2) - (assumeNotNull(root_slope) * (m.1)), 2), roots)) / (length(roots) - 1)) / nullIf(root_square, 0)), 0), NULL) AS hasbrouck_t,
    if(is_moved, arraySum(arrayMap(m -> ((m.1) * abs(m.2)), moves)) / nullIf(arraySum(arrayMap(m -> ((m.1) * (m.1)), moves)), 0), NULL) AS amihud_lambda,
    if(is_moved, arraySum(arrayMap(m -> (abs(m.2) / (m.1)), arrayFilter(m -> ((m.1) > 0), moves))) / nullIf(arrayCount(m -> ((m.1) > 0), moves), 0), NULL) AS amihud_mean,
    n AS window_mids,
    window_minutes,
    greatest(known, toDateTime64(ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', window_gaps > 0, 'gap', window_minutes < 20, 'warmup', n < 20, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1m,
        groupArrayIf((flow, assumeNotNull(change), volume), change IS NOT NULL) OVER last_50 AS points,
        groupArrayIf((amount, assumeNotNull(move)), move IS NOT NULL) OVER last_50 AS moves,
        groupArrayIf((assumeNotNull(root_flow), assumeNotNull(move)), (root_flow IS NOT NULL) AND (move IS NOT NULL)) OVER last_50 AS roots,
        count() OVER last_50 AS window_minutes,
        countIf(is_hole) OVER last_55 AS window_gaps,
        max(receipt) OVER last_55 AS known
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m,
            at_s,
            flow,
            volume,
            amount,
            root_flow,
            receipt,
            is_hole,
            if(is_fresh AND (countIf(is_fresh) OVER five_before > 0), mid - anyLastIf(mid, is_fresh) OVER five_before, NULL) AS change,
            log(price / nullIf(anyLast(price) OVER five_before, 0)) AS move
        FROM
        (
            SELECT
                t.exchange AS exchange,
                t.market_type AS market_type,
                t.symbol AS symbol,
                t.ts_1m AS ts_1m,
                toUnixTimestamp(t.ts_1m) AS at_s,
                toFloat64((2 * t.taker_buy_quote) - t.quote_volume) AS flow,
                toFloat64(t.base_volume) AS volume,
                toFloat64(t.quote_volume) AS amount,
                toFloat64(t.price_last) AS price,
                if(f.ts_1m = 0, NULL, f.signed_sqrt_quote) AS root_flow,
                b.mid AS mid,
                b.books > 0 AS is_fresh,
                greatest(t.available_at, b.available_at, f.available_at) AS receipt,
                g.of_type != '' AS is_hole
            FROM
            (
                SELECT *
                FROM marketprism_features.agg_trades_1m
                WHERE (ts_1m >= {from_ts:DateTime64(3)}) AND (ts_1m <= {to_ts:DateTime64(3)})
            ) AS t
            LEFT JOIN
            (
                SELECT
                    exchange,
                    market_type,
                    symbol,
                    ts_1m,
                    mid,
                    books,
                    available_at
                FROM marketprism_features.mid_1m
                WHERE (ts_1m >= {from_ts:DateTime64(3)}) AND (ts_1m <= {to_ts:DateTime64(3)})
            ) AS b ON (b.exchange = t.exchange) AND (b.market_type = t.market_type) AND (b.symbol = t.symbol) AND (b.ts_1m = t.ts_1m)
            LEFT JOIN
            (
                SELECT
                    exchange,
                    market_type,
                    symbol,
                    ts_1m,
                    signed_sqrt_quote,
                    available_at
                FROM `marketprism_features.trade_flow_1m_between`(from_ts = {since:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
            ) AS f ON (f.exchange = t.exchange) AND (f.market_type = t.market_type) AND (f.symbol = t.symbol) AND (f.ts_1m = t.ts_1m)
            LEFT JOIN
            (
                SELECT *
                FROM marketprism_features.gap_minutes
                WHERE of_type = 'trades'
            ) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.ts_1m = t.ts_1m)
        )
        WINDOW five_before AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 300 PRECEDING AND 60 PRECEDING)
    )
    WINDOW
        last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 2940 PRECEDING AND CURRENT ROW),
        last_55 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 3240 PRECEDING AND CURRENT ROW)
)
