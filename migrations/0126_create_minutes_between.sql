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
CREATE VIEW IF NOT EXISTS marketprism_features.price_impact_1m_between
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
    multiIf(now64(6, 'UTC') < t.available_at, 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
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

CREATE OR REPLACE VIEW marketprism_features.price_impact_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    kyle_lambda Nullable(Float64) COMMENT '(close - open) / signed volume, quote units per base unit; NULL without signed volume',
    amihud_illiq Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    effective_spread_buy Nullable(Float64) COMMENT 'what taker buys paid over the mid, 2 (price - mid) / mid weighed by mid * quantity, basis points',
    effective_spread_sell Nullable(Float64) COMMENT 'what taker sells paid under the mid, 2 (mid - price) / mid weighed by mid * quantity, basis points',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    price_change Decimal(38, 12) COMMENT 'close - open, quote units',
    trades UInt64 COMMENT 'number of trades',
    quoted_trades UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'Kyle lambda, Amihud illiquidity and effective spread by side, by minute'
AS SELECT *
FROM marketprism_features.price_impact_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.spread_analysis_1m_between
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
    multiIf(now64(6, 'UTC') < available_at, 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
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

CREATE OR REPLACE VIEW marketprism_features.spread_analysis_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    effective_spread Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    quoted_spread Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    spread_ratio Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    trades UInt64 COMMENT 'number of trades',
    quoted_trades UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'effective and quoted spread and their ratio, by minute'
AS SELECT *
FROM marketprism_features.spread_analysis_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.realised_spread_1m_between
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
    multiIf(now64(6, 'UTC') < available_at, 'partial', g.of_type != '', 'gap', q.settled = 0, 'stale', 'ok') AS quality
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

CREATE OR REPLACE VIEW marketprism_features.realised_spread_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    effective_spread Nullable(Float64) COMMENT '2 |price - mid| / mid of the settled trades, against the taker, weighed by mid * quantity, basis points',
    realised_spread Nullable(Float64) COMMENT '2 |price - mid five seconds later| / mid before, weighed alike, basis points',
    price_impact Nullable(Float64) COMMENT 'effective - realised spread: 2 |mid five seconds later - mid before| / mid before, basis points',
    trades UInt64 COMMENT 'number of trades',
    settled_trades UInt64 COMMENT 'trades with a quote before them and one five seconds later, neither older than 60 s',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised spread and price impact five seconds after the trades, by minute'
AS SELECT *
FROM marketprism_features.realised_spread_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.vpin_1m_between
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
    multiIf(now64(6, 'UTC') < known_at, 'partial', window_gaps > 0, 'gap', window_minutes < 5, 'warmup', 'ok') AS quality
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

CREATE OR REPLACE VIEW marketprism_features.vpin_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    vpin_approx Nullable(Float64) COMMENT '|buy - sell| / volume of the minute, 0 to 1',
    vpin_approx_5m Nullable(Float64) COMMENT 'mean of vpin_approx over this and the four minutes before; NULL unless all five traded',
    buy_volume Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    sell_volume Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    total_volume Decimal(38, 12) COMMENT 'volume, base units',
    window_minutes UInt64 COMMENT 'minutes with a trade in the window, this one included',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'approximate VPIN by minute and its mean over five minutes'
AS SELECT *
FROM marketprism_features.vpin_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.rv_decomposition_1m_between
COMMENT 'realised variance by minute, and its jump part (parameters from_ts, to_ts)'
AS SELECT
    r.exchange AS exchange,
    r.market_type AS market_type,
    r.symbol AS symbol,
    r.ts_1m AS ts_1m,
    if(n_returns >= 2, arraySum(arrayMap(x -> x * x, r.steps)), NULL) AS rv_total,
    greatest(rv_total - bipower, 0) AS rv_jump,
    least(rv_total, bipower) AS rv_continuous,
    rv_jump / nullIf(rv_total, 0) AS jump_ratio,
    if(n_returns >= 2, pi() / 2 * arraySum(arrayMap((x, y) -> abs(x * y), arrayPopFront(r.steps), arrayPopBack(r.steps))), NULL) AS bipower,
    length(r.steps) AS n_returns,
    greatest(r.known_at, toDateTime64(r.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at, 'partial', g.of_type != '', 'gap', n_returns < 2, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(ts_1s) AS ts_1m,
        arrayMap(step -> step.2, arraySort(groupArrayIf((ts_1s, log(price / previous)), previous > 0 AND price > 0 AND ts_1s - previous_ts <= 60))) AS steps,
        max(known) AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, ts_1s, price,
            lagInFrame(price) OVER before AS previous,
            lagInFrame(ts_1s) OVER before AS previous_ts,
            max(receipt) OVER before AS known
        FROM
        (
            SELECT
                exchange, market_type, symbol, ts_1s,
                toFloat64(argMaxMerge(close)) AS price,
                max(last_received_at) AS receipt
            FROM marketprism_features.flow_1s
            WHERE ts_1s BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)}
            GROUP BY exchange, market_type, symbol, ts_1s
        )
        WINDOW before AS (PARTITION BY exchange, market_type, symbol ORDER BY ts_1s ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    GROUP BY exchange, market_type, symbol, ts_1m
) AS r
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = r.exchange AND g.market_type = r.market_type AND g.symbol = r.symbol AND g.ts_1m = r.ts_1m
WHERE r.ts_1m >= {from_ts:DateTime64(3)};

CREATE OR REPLACE VIEW marketprism_features.rv_decomposition_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    rv_total Nullable(Float64) COMMENT 'sum of squared log returns of the minute; NULL below two returns',
    rv_jump Nullable(Float64) COMMENT 'the larger of rv_total - bipower and 0',
    rv_continuous Nullable(Float64) COMMENT 'the smaller of rv_total and bipower',
    jump_ratio Nullable(Float64) COMMENT 'rv_jump / rv_total, 0 to 1',
    bipower Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|',
    n_returns UInt64 COMMENT 'returns of the minute',
    available_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised variance by minute, and its jump part'
AS SELECT *
FROM marketprism_features.rv_decomposition_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.lob_dynamics_1m_between
COMMENT 'rates of added and cancelled liquidity and order flow imbalance, by minute (parameters from_ts, to_ts)'
AS SELECT
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    b.ts_1m AS ts_1m,
    toFloat64(b.bid_added) / nullIf(observed_s, 0) AS bid_add_rate,
    toFloat64(b.bid_cancelled) / nullIf(observed_s, 0) AS bid_cancel_rate,
    toFloat64(b.bid_added - b.bid_cancelled) / nullIf(observed_s, 0) AS bid_net_rate,
    toFloat64(b.ask_added) / nullIf(observed_s, 0) AS ask_add_rate,
    toFloat64(b.ask_cancelled) / nullIf(observed_s, 0) AS ask_cancel_rate,
    toFloat64(b.ask_added - b.ask_cancelled) / nullIf(observed_s, 0) AS ask_net_rate,
    toFloat64(b.flow_l1) AS ofi_l1,
    arrayMap(level -> toFloat64(level), b.flow_l5) AS ofi_l5,
    b.updates AS updates,
    b.books AS books,
    b.observed_ms / 1000 AS observed_s,
    greatest(b.known_at, toDateTime64(b.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at OR b.observed_ms < 54000, 'partial', g.of_type != '', 'gap', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        sum(toDecimal256(bid_added_quantity, 12)) AS bid_added,
        sum(toDecimal256(bid_cancelled_quantity, 12)) AS bid_cancelled,
        sum(toDecimal256(ask_added_quantity, 12)) AS ask_added,
        sum(toDecimal256(ask_cancelled_quantity, 12)) AS ask_cancelled,
        sum(toDecimal256(ofi, 12)) AS flow_l1,
        sumForEach(arrayMap(level -> toDecimal256(level, 12), ofi_levels)) AS flow_l5,
        sum(toUInt64(update_count)) AS updates,
        count() AS books,
        sumIf(since_ms, since_ms <= 5000) AS observed_ms,
        max(known) AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, timestamp,
            bid_added_quantity, bid_cancelled_quantity, ask_added_quantity, ask_cancelled_quantity,
            ofi_l1 AS ofi,
            ofi_l5 AS ofi_levels,
            updates AS update_count,
            max(received_at) OVER before AS known,
            dateDiff('millisecond', lagInFrame(timestamp, 1, toDateTime64(0, 3, 'UTC')) OVER before, timestamp) AS since_ms
        FROM marketprism_features.all_orderbooks
        WHERE timestamp BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)}
        WINDOW before AS (
            PARTITION BY exchange, market_type, symbol ORDER BY timestamp, sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
        )
    )
    GROUP BY exchange, market_type, symbol, ts_1m
) AS b
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'orderbooks') AS g
    ON g.exchange = b.exchange AND g.market_type = b.market_type AND g.symbol = b.symbol AND g.ts_1m = b.ts_1m
WHERE b.ts_1m >= {from_ts:DateTime64(3)};

CREATE OR REPLACE VIEW marketprism_features.lob_dynamics_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    bid_add_rate Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    bid_cancel_rate Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    bid_net_rate Nullable(Float64) COMMENT 'bid quantity added less taken away per second, base units',
    ask_add_rate Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    ask_cancel_rate Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
    ask_net_rate Nullable(Float64) COMMENT 'ask quantity added less taken away per second, base units',
    ofi_l1 Float64 COMMENT 'order flow imbalance at the best level over every update of the minute, base units',
    ofi_l5 Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5 over every update of the minute, base units',
    updates UInt64 COMMENT 'book updates of the minute',
    books UInt64 COMMENT 'published books of the minute',
    observed_s Float64 COMMENT 'seconds of the minute that the books account for',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the minute is not over, or its books account for less than 54 s of it) or gap (an unrepaired hole touches it)'
)
COMMENT 'rates of added and cancelled liquidity and order flow imbalance, by minute'
AS SELECT *
FROM marketprism_features.lob_dynamics_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.book_features_1m_between
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
    multiIf(now64(6, 'UTC') < l.known_at, 'partial', g.of_type != '', 'gap', staleness_ms > 3000, 'stale', 'ok') AS quality
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

CREATE OR REPLACE VIEW marketprism_features.book_features_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    mid Nullable(Float64) COMMENT '(best bid + best ask) / 2, quote units; NULL, like everything after it, when a side is empty',
    spread_bps Nullable(Float64) COMMENT '(best ask - best bid) / mid, basis points',
    microprice Nullable(Float64) COMMENT '(bid price * ask quantity + ask price * bid quantity) / both quantities at the best, quote units',
    weighted_mid Nullable(Float64) COMMENT 'the same of five levels: each side\'s mean price weighed by the other side\'s quantity, quote units',
    imbalance_1 Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity at the best, -1 to 1',
    imbalance_5 Nullable(Float64) COMMENT 'the same over 5 levels',
    imbalance_10 Nullable(Float64) COMMENT 'the same over 10 levels',
    imbalance_20 Nullable(Float64) COMMENT 'the same over 20 levels',
    bid_depth_5 Nullable(Float64) COMMENT 'bid quantity of 5 levels, base units',
    ask_depth_5 Nullable(Float64) COMMENT 'ask quantity of 5 levels, base units',
    bid_depth_10 Nullable(Float64) COMMENT 'bid quantity of 10 levels, base units',
    ask_depth_10 Nullable(Float64) COMMENT 'ask quantity of 10 levels, base units',
    bid_depth_20 Nullable(Float64) COMMENT 'bid quantity of 20 levels, base units',
    ask_depth_20 Nullable(Float64) COMMENT 'ask quantity of 20 levels, base units',
    bid_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 bid levels per basis point between mid and the last of them, quote units per bp',
    ask_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 ask levels per basis point between mid and the last of them, quote units per bp',
    bid_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative bid quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    ask_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative ask quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    bid_convexity_10 Nullable(Float64) COMMENT 'second difference of bid depth at 0, 5 and 10 levels over depth at 10: above 0 the book thickens away from the mid',
    ask_convexity_10 Nullable(Float64) COMMENT 'second difference of ask depth at 0, 5 and 10 levels over depth at 10',
    bid_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 bid levels stand, basis points',
    ask_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 ask levels stand, basis points',
    buy_impact_bps Nullable(Float64) COMMENT 'mean price over mid of a market buy of 10,000 quote units, basis points; NULL when the book is too thin',
    sell_impact_bps Nullable(Float64) COMMENT 'mean price under mid of a market sell of 10,000 quote units, basis points; NULL when the book is too thin',
    impact_linear Nullable(Float64) COMMENT 'mean of both impacts per quote unit: impact = impact_linear * size, bps per quote unit',
    impact_sqrt Nullable(Float64) COMMENT 'mean of both impacts per root of a quote unit: impact = impact_sqrt * sqrt(size), bps',
    bid_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 bid levels over its maximum, 0 (all at one level) to 1',
    ask_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 ask levels over its maximum, 0 to 1',
    bid_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 bid levels from the mid, basis points',
    ask_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 ask levels from the mid, basis points',
    staleness_ms Int64 COMMENT 'from that book to the end of the minute, milliseconds',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'the shape of the last two-sided book of each minute'
AS SELECT *
FROM marketprism_features.book_features_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.returns_1m_between
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
    multiIf(now64(6, 'UTC') < available_at, 'partial', window_gaps > 0, 'gap', log_return_60 IS NULL, 'warmup', 'ok') AS quality
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

CREATE OR REPLACE VIEW marketprism_features.returns_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    log_return_1 Nullable(Float64) COMMENT 'log of close over the close 1 minute before',
    log_return_3 Nullable(Float64) COMMENT 'log of close over the close 3 minutes before',
    log_return_5 Nullable(Float64) COMMENT 'log of close over the close 5 minutes before',
    log_return_10 Nullable(Float64) COMMENT 'log of close over the close 10 minutes before',
    log_return_30 Nullable(Float64) COMMENT 'log of close over the close 30 minutes before',
    log_return_60 Nullable(Float64) COMMENT 'log of close over the close 60 minutes before',
    momentum_10 Nullable(Float64) COMMENT 'log_return_10 over the root of the squared returns of those minutes',
    momentum_60 Nullable(Float64) COMMENT 'log_return_60 over the root of the squared returns of those minutes',
    drawdown_60 Nullable(Float64) COMMENT 'log of close over the highest price of the last 60 minutes, 0 or below',
    price_volume_momentum_10 Nullable(Float64) COMMENT 'mean log return of the last 10 minutes weighed by their notional; NULL unless each traded',
    trade_impulse Nullable(Float64) COMMENT 'signed volume over the mean volume per minute of the ten minutes before',
    window_minutes UInt64 COMMENT 'minutes with a trade among the last 60, this one included',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the minute is not over), gap (a hole in the trades of the last hour) or warmup (no price 60 minutes before)'
)
COMMENT 'returns and momentum by minute'
AS SELECT *
FROM marketprism_features.returns_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.trade_flow_1m_between
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
    multiIf(now64(6, 'UTC') < available_at, 'partial', g.of_type != '', 'gap', 'ok') AS quality
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

CREATE OR REPLACE VIEW marketprism_features.trade_flow_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    trades UInt64 COMMENT 'number of trades',
    flow_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    cvd Decimal(38, 12) COMMENT 'cumulative signed volume since midnight UTC, base units',
    vwap Nullable(Float64) COMMENT 'quote amount / volume, quote units',
    avg_trade_size Float64 COMMENT 'volume per trade, base units',
    avg_trade_quote Float64 COMMENT 'quote amount per trade, quote units',
    trades_per_s Float64 COMMENT 'trades per second of the minute',
    quote_per_s Float64 COMMENT 'quote amount per second of the minute',
    direction_persistence Nullable(Float64) COMMENT 'share of trades with the taker side of the trade before them, 0 to 1; NULL for one trade',
    large_buy_quote Decimal(76, 24) COMMENT 'quote amount of taker buys of 50,000 or more',
    large_sell_quote Decimal(76, 24) COMMENT 'quote amount of taker sells of 50,000 or more',
    retail_buy_quote Decimal(76, 24) COMMENT 'quote amount of taker buys of at most 1,000',
    retail_sell_quote Decimal(76, 24) COMMENT 'quote amount of taker sells of at most 1,000',
    large_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of large trades\' quote amounts; NULL without any',
    retail_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of retail trades\' quote amounts; NULL without any',
    buy_hhi Nullable(Float64) COMMENT 'concentration of taker buys by quote amount, 1 / trades to 1; NULL without a buy',
    sell_hhi Nullable(Float64) COMMENT 'concentration of taker sells by quote amount, 1 / trades to 1; NULL without a sell',
    tw_cvd Float64 COMMENT 'time-weighted mean of the cumulative signed volume within the minute, base units',
    signed_sqrt_quote Float64 COMMENT 'sum of sign * sqrt(quote amount): the order flow of Hasbrouck\'s lambda',
    roll_spread_bps Nullable(Float64) COMMENT '2 sqrt(-cov of successive price changes) over VWAP, basis points; 0 for a positive covariance, NULL below 4 trades',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the minute is not over) or gap (a hole in the trades touches it)'
)
COMMENT 'who trades how, by minute'
AS SELECT *
FROM marketprism_features.trade_flow_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.volatility_1m_between
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
            FROM (SELECT * FROM marketprism_features.trades_1m WHERE ts_1m BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}) AS t
            LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
                ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m
        )
    )
    WINDOW
        last_60 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 3540 PRECEDING AND CURRENT ROW),
        last_day AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 86340 PRECEDING AND CURRENT ROW)
);

CREATE OR REPLACE VIEW marketprism_features.volatility_1m
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
AS SELECT *
FROM marketprism_features.volatility_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');
