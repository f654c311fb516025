-- name:      minutes_between
-- purpose:   the minute features of a range of time, so that a read of an hour does not read the history
-- grain:     one row per (exchange, market_type, symbol, ts_1m)
-- inputs:    marketprism_features.trades_1m, marketprism_features.quoted_trades_between, marketprism_features.flow_1s, marketprism_features.all_orderbooks, marketprism_features.all_trades, marketprism_features.book_features, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    the minute views' own; each of them is now its range form over all of time
--
-- Parameters from_ts and to_ts bound the exchange time, from the start of a minute. Windows reach no further back than the
-- range: a caller starts 65 minutes early (returns), or a day early where it reads the regime of volatility_1m.
-- What was received is on its way for a moment: the clock alone closes nothing before 3 s have passed.
CREATE OR REPLACE VIEW marketprism_features.price_impact_1m_between
COMMENT 'Kyle lambda, Amihud illiquidity and effective spread by side, by minute (parameters from_ts, to_ts)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.ts_1m AS ts_1m,
    toFloat64(t.close - t.open) / nullIf(toFloat64(t.buy_volume - t.sell_volume), 0) AS kyle_lambda,
    abs(toFloat64(t.close - t.open) / nullIf(toFloat64(t.open), 0)) / nullIf(toFloat64(t.notional), 0) AS amihud_illiq,
    20000 * toFloat64(q.buy_cost) / nullIf(toFloat64(q.buy_value), 0) AS effective_spread_buy,
    20000 * toFloat64(q.sell_cost) / nullIf(toFloat64(q.sell_value), 0) AS effective_spread_sell,
    t.buy_volume - t.sell_volume AS signed_volume,
    t.close - t.open AS price_change,
    t.trade_count AS trades,
    q.quoted AS quoted_trades,
    greatest(t.available_at, q.known_at) AS available_at,
    multiIf(now64(6, 'UTC') < t.available_at + toIntervalSecond(3), 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM (SELECT * FROM marketprism_features.trades_1m WHERE ts_1m BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}) AS t
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(2 * price - bid - ask, 12) * quantity, is_quoted AND taker_sign = 1) AS buy_cost,
        sumIf(toDecimal256(bid + ask - 2 * price, 12) * quantity, is_quoted AND taker_sign = -1) AS sell_cost,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted AND taker_sign = 1) AS buy_value,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted AND taker_sign = -1) AS sell_value,
        max(available_at) AS known_at
    FROM marketprism_features.quoted_trades_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
    GROUP BY exchange, market_type, symbol, ts_1m
) AS q ON q.exchange = t.exchange AND q.market_type = t.market_type AND q.symbol = t.symbol AND q.ts_1m = t.ts_1m
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.spread_analysis_1m_between
COMMENT 'effective and quoted spread and their ratio, by minute (parameters from_ts, to_ts)'
AS SELECT
    q.exchange AS exchange,
    q.market_type AS market_type,
    q.symbol AS symbol,
    q.ts_1m AS ts_1m,
    20000 * toFloat64(q.cost) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    20000 * toFloat64(q.width) / nullIf(toFloat64(q.value), 0) AS quoted_spread,
    toFloat64(q.cost) / nullIf(toFloat64(q.width), 0) AS spread_ratio,
    q.trades AS trades,
    q.quoted AS quoted_trades,
    greatest(q.known_at, toDateTime64(q.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        count() AS trades,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(taker_sign * (2 * price - bid - ask), 12) * quantity, is_quoted) AS cost,
        sumIf(toDecimal256(ask - bid, 12) * quantity, is_quoted) AS width,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted) AS value,
        max(available_at) AS known_at
    FROM marketprism_features.quoted_trades_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
    GROUP BY exchange, market_type, symbol, ts_1m
) AS q
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = q.exchange AND g.market_type = q.market_type AND g.symbol = q.symbol AND g.ts_1m = q.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.realised_spread_1m_between
COMMENT 'realised spread and price impact five seconds after the trades, by minute (parameters from_ts, to_ts)'
AS SELECT
    q.exchange AS exchange,
    q.market_type AS market_type,
    q.symbol AS symbol,
    q.ts_1m AS ts_1m,
    20000 * toFloat64(q.cost) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    20000 * toFloat64(q.kept) / nullIf(toFloat64(q.value), 0) AS realised_spread,
    20000 * toFloat64(q.cost - q.kept) / nullIf(toFloat64(q.value), 0) AS price_impact,
    q.trades AS trades,
    q.settled AS settled_trades,
    greatest(q.known_at, toDateTime64(q.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', g.of_type != '', 'gap', q.settled = 0, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        count() AS trades,
        countIf(is_settled) AS settled,
        sumIf(toDecimal256(taker_sign * (2 * price - bid - ask), 12) * quantity, is_settled) AS cost,
        sumIf(toDecimal256(taker_sign * (2 * price - later_bid - later_ask), 12) * quantity, is_settled) AS kept,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_settled) AS value,
        max(settled_at) AS known_at
    FROM marketprism_features.quoted_trades_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
    GROUP BY exchange, market_type, symbol, ts_1m
) AS q
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = q.exchange AND g.market_type = q.market_type AND g.symbol = q.symbol AND g.ts_1m = q.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.vpin_1m_between
COMMENT 'approximate VPIN by minute and its mean over five minutes (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    toFloat64(abs(buy_volume - sell_volume)) / nullIf(toFloat64(total_volume), 0) AS vpin_approx,
    if(window_minutes = 5, window_sum / 5, NULL) AS vpin_approx_5m,
    buy_volume,
    sell_volume,
    total_volume,
    window_minutes,
    known_at AS available_at,
    multiIf(now64(6, 'UTC') < known_at + toIntervalSecond(3), 'partial', window_gaps > 0, 'gap', window_minutes < 5, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        t.exchange AS exchange,
        t.market_type AS market_type,
        t.symbol AS symbol,
        t.ts_1m AS ts_1m,
        t.buy_volume AS buy_volume,
        t.sell_volume AS sell_volume,
        t.total_volume AS total_volume,
        toFloat64(abs(t.buy_volume - t.sell_volume)) / nullIf(toFloat64(t.total_volume), 0) AS toxicity,
        arraySum(groupArray(toxicity) OVER last_5) AS window_sum,
        count(toxicity) OVER last_5 AS window_minutes,
        max(t.available_at) OVER last_5 AS known_at,
        countIf(g.of_type != '') OVER last_5 AS window_gaps
    FROM (SELECT * FROM marketprism_features.trades_1m WHERE ts_1m BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}) AS t
    LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
        ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m
    WINDOW last_5 AS (
        PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY toUnixTimestamp(t.ts_1m) RANGE BETWEEN 240 PRECEDING AND CURRENT ROW
    )
);

CREATE OR REPLACE VIEW marketprism_features.book_features_1m_between
COMMENT 'the shape of the last two-sided book of each minute (parameters from_ts, to_ts)'
AS SELECT
    l.exchange AS exchange,
    l.market_type AS market_type,
    l.symbol AS symbol,
    l.ts_1m AS ts_1m,
    b.mid AS mid,
    b.spread_bps AS spread_bps,
    b.microprice AS microprice,
    b.weighted_mid AS weighted_mid,
    b.imbalance_1 AS imbalance_1,
    b.imbalance_5 AS imbalance_5,
    b.imbalance_10 AS imbalance_10,
    b.imbalance_20 AS imbalance_20,
    b.bid_depth_5 AS bid_depth_5,
    b.ask_depth_5 AS ask_depth_5,
    b.bid_depth_10 AS bid_depth_10,
    b.ask_depth_10 AS ask_depth_10,
    b.bid_depth_20 AS bid_depth_20,
    b.ask_depth_20 AS ask_depth_20,
    b.bid_density_10 AS bid_density_10,
    b.ask_density_10 AS ask_density_10,
    b.bid_slope_10 AS bid_slope_10,
    b.ask_slope_10 AS ask_slope_10,
    b.bid_convexity_10 AS bid_convexity_10,
    b.ask_convexity_10 AS ask_convexity_10,
    b.bid_tail_width_bps AS bid_tail_width_bps,
    b.ask_tail_width_bps AS ask_tail_width_bps,
    b.buy_impact_bps AS buy_impact_bps,
    b.sell_impact_bps AS sell_impact_bps,
    b.impact_linear AS impact_linear,
    b.impact_sqrt AS impact_sqrt,
    b.bid_entropy AS bid_entropy,
    b.ask_entropy AS ask_entropy,
    b.bid_gravity_bps AS bid_gravity_bps,
    b.ask_gravity_bps AS ask_gravity_bps,
    dateDiff('millisecond', b.timestamp, toDateTime64(l.ts_1m + 60, 3, 'UTC')) AS staleness_ms,
    l.known_at AS available_at,
    multiIf(now64(6, 'UTC') < l.known_at + toIntervalSecond(3), 'partial', g.of_type != '', 'gap', staleness_ms > 3000, 'stale', 'ok') AS quality
FROM (SELECT * FROM marketprism_features.book_features WHERE timestamp BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}) AS b
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        max((timestamp, sequence)) AS newest,
        greatest(max(received_at), toDateTime64(ts_1m + 60, 6, 'UTC')) AS known_at
    FROM marketprism_features.all_orderbooks
    WHERE timestamp BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)} AND best_bid_price > 0 AND best_ask_price > 0
    GROUP BY exchange, market_type, symbol, ts_1m
) AS l ON l.exchange = b.exchange AND l.market_type = b.market_type AND l.symbol = b.symbol AND l.newest.1 = b.timestamp AND l.newest.2 = b.sequence
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'orderbooks') AS g
    ON g.exchange = l.exchange AND g.market_type = l.market_type AND g.symbol = l.symbol AND g.ts_1m = l.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.returns_1m_between
COMMENT 'returns and momentum by minute (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    log(price / nullIf(price_1, 0)) AS log_return_1,
    log(price / nullIf(price_3, 0)) AS log_return_3,
    log(price / nullIf(price_5, 0)) AS log_return_5,
    log(price / nullIf(price_10, 0)) AS log_return_10,
    log(price / nullIf(price_30, 0)) AS log_return_30,
    log(price / nullIf(price_60, 0)) AS log_return_60,
    log_return_10 / nullIf(sqrt(arraySum(arrayMap(step -> step * step, steps_10))), 0) AS momentum_10,
    log_return_60 / nullIf(sqrt(arraySum(arrayMap(step -> step * step, steps_60))), 0) AS momentum_60,
    log(price / nullIf(peak, 0)) AS drawdown_60,
    if(minutes_10 = 10, arraySum(arrayMap((step, amount) -> step * amount, steps_10, amounts_10)) / nullIf(arraySum(amounts_10), 0), NULL) AS price_volume_momentum_10,
    if(minutes_before > 0, toFloat64(signed_volume) / nullIf(toFloat64(volume_before) / 10, 0), NULL) AS trade_impulse,
    window_minutes,
    greatest(known, toDateTime64(ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', window_gaps > 0, 'gap', log_return_60 IS NULL, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, ts_1m, price, signed_volume,
        anyLast(price) OVER (
            PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 300 PRECEDING AND 60 PRECEDING
        ) AS price_1,
        anyLast(price) OVER (
            PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 420 PRECEDING AND 180 PRECEDING
        ) AS price_3,
        anyLast(price) OVER (
            PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 540 PRECEDING AND 300 PRECEDING
        ) AS price_5,
        anyLast(price) OVER (
            PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 840 PRECEDING AND 600 PRECEDING
        ) AS price_10,
        anyLast(price) OVER (
            PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 2040 PRECEDING AND 1800 PRECEDING
        ) AS price_30,
        anyLast(price) OVER (
            PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 3840 PRECEDING AND 3600 PRECEDING
        ) AS price_60,
        groupArray(step) OVER last_10 AS steps_10,
        groupArray(step) OVER last_60 AS steps_60,
        groupArrayIf(amount, step IS NOT NULL) OVER last_10 AS amounts_10,
        count(step) OVER last_10 AS minutes_10,
        max(top) OVER last_60 AS peak,
        sum(volume) OVER ten_before AS volume_before,
        count() OVER ten_before AS minutes_before,
        count() OVER last_60 AS window_minutes,
        countIf(is_hole) OVER last_65 AS window_gaps,
        max(receipt) OVER last_65 AS known
    FROM
    (
        SELECT
            t.exchange AS exchange,
            t.market_type AS market_type,
            t.symbol AS symbol,
            t.ts_1m AS ts_1m,
            toUnixTimestamp(t.ts_1m) AS at_s,
            toFloat64(t.close) AS price,
            toFloat64(t.high) AS top,
            toFloat64(t.notional) AS amount,
            t.total_volume AS volume,
            t.buy_volume - t.sell_volume AS signed_volume,
            t.available_at AS receipt,
            g.of_type != '' AS is_hole,
            log(price / nullIf(lagInFrame(price) OVER (
                PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY t.ts_1m ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            ), 0)) AS step
        FROM (SELECT * FROM marketprism_features.trades_1m WHERE ts_1m BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}) AS t
        LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
            ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m
    )
    WINDOW
        last_10 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 540 PRECEDING AND CURRENT ROW),
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 3540 PRECEDING AND CURRENT ROW),
        last_65 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 3840 PRECEDING AND CURRENT ROW),
        ten_before AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 600 PRECEDING AND 60 PRECEDING)
);

CREATE OR REPLACE VIEW marketprism_features.trade_flow_1m_between
COMMENT 'who trades how, by minute (parameters from_ts, to_ts)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.ts_1m AS ts_1m,
    t.trades AS trades,
    toFloat64(t.signed_volume) / nullIf(toFloat64(t.volume), 0) AS flow_imbalance,
    t.signed_volume AS signed_volume,
    sum(t.signed_volume) OVER (
        PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS cvd,
    toFloat64(t.amount) / nullIf(toFloat64(t.volume), 0) AS vwap,
    toFloat64(t.volume) / t.trades AS avg_trade_size,
    toFloat64(t.amount) / t.trades AS avg_trade_quote,
    t.trades / 60 AS trades_per_s,
    toFloat64(t.amount) / 60 AS quote_per_s,
    arraySum(arrayMap((one, other) -> one = other, arrayPopFront(t.signs), arrayPopBack(t.signs))) / nullIf(t.trades - 1, 0) AS direction_persistence,
    t.large_buy AS large_buy_quote,
    t.large_sell AS large_sell_quote,
    t.retail_buy AS retail_buy_quote,
    t.retail_sell AS retail_sell_quote,
    toFloat64(t.large_buy - t.large_sell) / nullIf(toFloat64(t.large_buy + t.large_sell), 0) AS large_imbalance,
    toFloat64(t.retail_buy - t.retail_sell) / nullIf(toFloat64(t.retail_buy + t.retail_sell), 0) AS retail_imbalance,
    arraySum(arrayMap(a -> a * a, t.buys)) / nullIf(arraySum(t.buys) * arraySum(t.buys), 0) AS buy_hhi,
    arraySum(arrayMap(a -> a * a, t.sells)) / nullIf(arraySum(t.sells) * arraySum(t.sells), 0) AS sell_hhi,
    toFloat64(toDecimal256(t.signed_volume, 12) * toInt64(1000 * (toUnixTimestamp(t.ts_1m) + 60)) - t.signed_moments) / 60000 AS tw_cvd,
    arraySum(arrayMap((a, sign) -> sign * sqrt(a), t.amounts, t.signs)) AS signed_sqrt_quote,
    if(t.trades >= 4, 2 * sqrt(greatest(-arrayReduce('covarSampStable', arrayPopFront(t.steps), arrayPopBack(t.steps)), 0)) / vwap * 10000, NULL) AS roll_spread_bps,
    max(greatest(t.heard_at, toDateTime64(t.ts_1m + 60, 6, 'UTC'))) OVER (
        PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', g.of_type != '', 'gap', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        count() AS trades,
        sum(quantity) AS volume,
        sumIf(quantity, side = 'buy') - sumIf(quantity, side = 'sell') AS signed_volume,
        sum(toDecimal256(price, 12) * quantity) AS amount,
        sum(if(side = 'buy', 1, -1) * toDecimal256(quantity, 12) * toUnixTimestamp64Milli(timestamp)) AS signed_moments,
        sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity >= 50000) AS large_buy,
        sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity >= 50000) AS large_sell,
        sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_buy,
        sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_sell,
        arraySort(groupArray((sequence, toFloat64(toDecimal256(price, 12) * quantity), if(side = 'buy', 1, -1), toFloat64(price)))) AS tape,
        arrayMap(one -> one.2, tape) AS amounts,
        arrayMap(one -> one.3, tape) AS signs,
        arrayMap(one -> one.2, arrayFilter(one -> one.3 = 1, tape)) AS buys,
        arrayMap(one -> one.2, arrayFilter(one -> one.3 = -1, tape)) AS sells,
        arrayMap((one, other) -> one.4 - other.4, arrayPopFront(tape), arrayPopBack(tape)) AS steps,
        max(received_at) AS heard_at
    FROM marketprism_features.all_trades
    WHERE bucket_id != 0 AND timestamp BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}
    GROUP BY exchange, market_type, symbol, ts_1m
) AS t
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.volatility_1m_between
COMMENT 'realised variance over the last hour (parameters from_ts, to_ts)'
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
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', window_gaps > 0, 'gap', n < 60, 'warmup', 'ok') AS quality
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
            FROM (SELECT * FROM marketprism_features.trades_1m WHERE ts_1m BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}) AS t
            LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
                ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m
        )
    )
    WINDOW
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 3540 PRECEDING AND CURRENT ROW),
        last_day AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 86340 PRECEDING AND CURRENT ROW)
);
