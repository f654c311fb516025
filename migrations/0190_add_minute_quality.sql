-- name:      minute_quality
-- purpose:   what a minute's row is worth, also in the views that had left it to their readers
-- grain:     that of each view
-- inputs:    marketprism_features.trades_1m_state, marketprism_features.mid_1m_state, marketprism_features.footprint_1m_state, marketprism_features.agg_trades_1m, marketprism_features.quoted_trades_between, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    as in the other minute views: partial for three seconds after the minute was known, gap where a hole touches it
--
-- Holes are asked for with IN and not joined: a reader that leaves quality out pays nothing for it, since an expression that
-- nobody reads is not computed, but a join always is.
CREATE OR REPLACE VIEW marketprism_features.trades_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    total_volume Decimal(38, 12) COMMENT 'volume, base units',
    buy_volume Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    sell_volume Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    trade_count UInt64 COMMENT 'number of trades',
    flow_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    avg_trade_size Nullable(Float64) COMMENT 'volume per trade, base units',
    notional Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    vwap Nullable(Float64) COMMENT 'notional / volume, quote units',
    open Decimal(38, 12) COMMENT 'first price by sequence, quote units',
    high Decimal(38, 12) COMMENT 'highest price, quote units',
    low Decimal(38, 12) COMMENT 'lowest price, quote units',
    close Decimal(38, 12) COMMENT 'last price by sequence, quote units',
    available_at DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC',
    quality LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the minute)'
)
COMMENT 'trading by minute'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1m AS ts_1m,
    sum(s.vol) AS total_volume,
    sum(s.buy_vol) AS buy_volume,
    total_volume - buy_volume AS sell_volume,
    sum(s.trades) AS trade_count,
    toFloat64(buy_volume - sell_volume) / nullIf(toFloat64(total_volume), 0) AS flow_imbalance,
    toFloat64(total_volume) / nullIf(trade_count, 0) AS avg_trade_size,
    sum(s.notional) AS notional,
    toFloat64(sum(s.notional)) / nullIf(toFloat64(total_volume), 0) AS vwap,
    argMinMerge(s.open) AS open,
    max(s.high) AS high,
    min(s.low) AS low,
    argMaxMerge(s.close) AS close,
    greatest(max(s.last_received_at), toDateTime64(s.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', (s.exchange, s.market_type, s.symbol, s.ts_1m) IN
        (SELECT exchange, market_type, symbol, ts_1m FROM marketprism_features.gap_minutes WHERE of_type = 'trades'), 'gap', 'ok') AS quality
FROM marketprism_features.trades_1m_state AS s
GROUP BY s.exchange, s.market_type, s.symbol, s.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.mid_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    mid Float64 COMMENT 'mid of the last book of the minute, quote units',
    mid_avg Float64 COMMENT 'mean mid over the minute\'s published books, quote units',
    books UInt64 COMMENT 'books with both sides in the minute',
    staleness_ms Int64 COMMENT 'from the last book to the end of the minute, milliseconds',
    available_at DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC',
    quality LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way), gap (an unrepaired hole in the books touches the minute) or stale (the last book is older than 3 s at the minute\'s end)'
)
COMMENT 'mid price by minute'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1m AS ts_1m,
    toFloat64(argMaxMerge(s.last_best)) / 2 AS mid,
    toFloat64(sum(s.best_sum)) / (2 * sum(s.books)) AS mid_avg,
    sum(s.books) AS books,
    dateDiff('millisecond', max(s.last_ts), toDateTime64(s.ts_1m + 60, 3, 'UTC')) AS staleness_ms,
    greatest(max(s.last_received_at), toDateTime64(s.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', (s.exchange, s.market_type, s.symbol, s.ts_1m) IN
        (SELECT exchange, market_type, symbol, ts_1m FROM marketprism_features.gap_minutes WHERE of_type = 'orderbooks'), 'gap', staleness_ms > 3000, 'stale', 'ok') AS quality
FROM marketprism_features.mid_1m_state AS s
GROUP BY s.exchange, s.market_type, s.symbol, s.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.agg_trades_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    trade_count UInt64 COMMENT 'number of trades',
    base_volume Decimal(38, 12) COMMENT 'volume, base units',
    quote_volume Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    taker_buy_qty Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    taker_sell_qty Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    taker_buy_quote Decimal(76, 24) COMMENT 'quote value of taker buys',
    taker_sell_quote Decimal(76, 24) COMMENT 'quote value of taker sells',
    taker_buy_quote_sq Decimal(76, 20) COMMENT 'sum of the squared quote value of taker buys',
    taker_sell_quote_sq Decimal(76, 20) COMMENT 'sum of the squared quote value of taker sells',
    taker_buy_trade_count UInt64 COMMENT 'number of taker buys',
    taker_sell_trade_count UInt64 COMMENT 'number of taker sells',
    whale_buy_quote Decimal(76, 24) COMMENT 'quote value of whale taker buys: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    whale_sell_quote Decimal(76, 24) COMMENT 'quote value of whale taker sells: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    retail_buy_quote Decimal(76, 24) COMMENT 'quote value of retail taker buys: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    retail_sell_quote Decimal(76, 24) COMMENT 'quote value of retail taker sells: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    first_ts DateTime64(3, 'UTC') COMMENT 'exchange time of the first trade, UTC',
    price_first Decimal(38, 12) COMMENT 'price of the first trade by sequence, quote units',
    last_ts DateTime64(3, 'UTC') COMMENT 'exchange time of the last trade, UTC',
    price_last Decimal(38, 12) COMMENT 'price of the last trade by sequence, quote units',
    price_high Decimal(38, 12) COMMENT 'highest price, quote units',
    price_low Decimal(38, 12) COMMENT 'lowest price, quote units',
    available_at DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC',
    quality LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the minute)'
)
COMMENT 'order flow by minute: volumes, squares, whales and retail by side'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1m AS ts_1m,
    sum(s.trades) AS trade_count,
    sum(s.vol) AS base_volume,
    sum(s.notional) AS quote_volume,
    sum(s.buy_vol) AS taker_buy_qty,
    base_volume - taker_buy_qty AS taker_sell_qty,
    sum(s.buy_notional) AS taker_buy_quote,
    quote_volume - taker_buy_quote AS taker_sell_quote,
    sum(s.buy_notional_sq) AS taker_buy_quote_sq,
    sum(s.sell_notional_sq) AS taker_sell_quote_sq,
    sum(s.buy_trades) AS taker_buy_trade_count,
    trade_count - taker_buy_trade_count AS taker_sell_trade_count,
    sum(s.whale_buy_notional) AS whale_buy_quote,
    sum(s.whale_sell_notional) AS whale_sell_quote,
    sum(s.retail_buy_notional) AS retail_buy_quote,
    sum(s.retail_sell_notional) AS retail_sell_quote,
    min(s.first_ts) AS first_ts,
    argMinMerge(s.open) AS price_first,
    max(s.last_ts) AS last_ts,
    argMaxMerge(s.close) AS price_last,
    max(s.high) AS price_high,
    min(s.low) AS price_low,
    greatest(max(s.last_received_at), toDateTime64(s.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', (s.exchange, s.market_type, s.symbol, s.ts_1m) IN
        (SELECT exchange, market_type, symbol, ts_1m FROM marketprism_features.gap_minutes WHERE of_type = 'trades'), 'gap', 'ok') AS quality
FROM marketprism_features.trades_1m_state AS s
GROUP BY s.exchange, s.market_type, s.symbol, s.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.agg_trades_by
COMMENT 'order flow by a multiple of minutes (parameter minutes)'
AS SELECT
    *,
    taker_buy_qty - taker_sell_qty AS cvd_qty,
    taker_buy_quote - taker_sell_quote AS cvd_quote,
    toFloat64(quote_volume) / nullIf(toFloat64(base_volume), 0) AS vwap,
    whale_buy_quote - whale_sell_quote AS whale_cvd_quote,
    retail_buy_quote - retail_sell_quote AS retail_cvd_quote,
    toFloat64(quote_volume) / trade_count AS avg_trade_quote,
    toFloat64(base_volume) / trade_count AS avg_trade_base,
    toFloat64(taker_buy_quote) / nullIf(taker_buy_trade_count, 0) AS taker_buy_avg_trade_quote,
    toFloat64(taker_sell_quote) / nullIf(taker_sell_trade_count, 0) AS taker_sell_avg_trade_quote,
    toFloat64(taker_buy_quote_sq) / nullIf(toFloat64(taker_buy_quote) * toFloat64(taker_buy_quote), 0) AS taker_buy_hhi_quote,
    toFloat64(taker_sell_quote_sq) / nullIf(toFloat64(taker_sell_quote) * toFloat64(taker_sell_quote), 0) AS taker_sell_hhi_quote,
    toFloat64(cvd_quote) / nullIf(toFloat64(quote_volume), 0) AS imbalance_ratio_quote,
    toFloat64(weighted_cvd) / weights * {minutes:UInt32} AS tw_cvd_quote_norm,
    price_close - price_open AS price_change,
    toFloat64(cvd_quote) / nullIf(toFloat64(abs(price_change)), 0) AS cvd_per_abs_price_change
FROM
(
    SELECT
        m.exchange AS exchange,
        m.market_type AS market_type,
        m.symbol AS symbol,
        toStartOfInterval(m.ts_1m, toIntervalMinute({minutes:UInt32})) AS ts,
        sum(m.trade_count) AS trade_count,
        sum(m.base_volume) AS base_volume,
        sum(m.quote_volume) AS quote_volume,
        sum(m.taker_buy_qty) AS taker_buy_qty,
        sum(m.taker_sell_qty) AS taker_sell_qty,
        sum(m.taker_buy_quote) AS taker_buy_quote,
        sum(m.taker_sell_quote) AS taker_sell_quote,
        sum(m.taker_buy_quote_sq) AS taker_buy_quote_sq,
        sum(m.taker_sell_quote_sq) AS taker_sell_quote_sq,
        sum(m.taker_buy_trade_count) AS taker_buy_trade_count,
        sum(m.taker_sell_trade_count) AS taker_sell_trade_count,
        sum(m.whale_buy_quote) AS whale_buy_quote,
        sum(m.whale_sell_quote) AS whale_sell_quote,
        sum(m.retail_buy_quote) AS retail_buy_quote,
        sum(m.retail_sell_quote) AS retail_sell_quote,
        argMin(m.price_first, m.ts_1m) AS price_open,
        argMax(m.price_last, m.ts_1m) AS price_close,
        max(m.price_high) AS price_high,
        min(m.price_low) AS price_low,
        sum((m.taker_buy_quote - m.taker_sell_quote) * (intDiv(toUnixTimestamp(m.ts_1m), 60) % {minutes:UInt32} + 1)) AS weighted_cvd,
        sum(intDiv(toUnixTimestamp(m.ts_1m), 60) % {minutes:UInt32} + 1) AS weights,
        greatest(max(m.available_at), toDateTime64(ts + {minutes:UInt32} * 60, 6, 'UTC')) AS available_at,
        multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', (exchange, market_type, symbol, ts) IN (
            SELECT exchange, market_type, symbol, toStartOfInterval(ts_1m, toIntervalMinute({minutes:UInt32}))
            FROM marketprism_features.gap_minutes WHERE of_type = 'trades'), 'gap', 'ok') AS quality
    FROM marketprism_features.agg_trades_1m AS m
    GROUP BY exchange, market_type, symbol, ts
);

CREATE OR REPLACE VIEW marketprism_features.agg_trades_1h
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1h DateTime('UTC') COMMENT 'start of the hour, exchange time, UTC',
    trade_count UInt64 COMMENT 'number of trades',
    base_volume Decimal(38, 12) COMMENT 'volume, base units',
    quote_volume Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    taker_buy_qty Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    taker_sell_qty Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    taker_buy_quote Decimal(76, 24) COMMENT 'quote value of taker buys',
    taker_sell_quote Decimal(76, 24) COMMENT 'quote value of taker sells',
    whale_buy_quote Decimal(76, 24) COMMENT 'quote value of whale taker buys: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    whale_sell_quote Decimal(76, 24) COMMENT 'quote value of whale taker sells: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    retail_buy_quote Decimal(76, 24) COMMENT 'quote value of retail taker buys: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    retail_sell_quote Decimal(76, 24) COMMENT 'quote value of retail taker sells: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    price_open Decimal(38, 12) COMMENT 'first price, quote units',
    price_close Decimal(38, 12) COMMENT 'last price, quote units',
    price_high Decimal(38, 12) COMMENT 'highest price, quote units',
    price_low Decimal(38, 12) COMMENT 'lowest price, quote units',
    cvd_qty Decimal(38, 12) COMMENT 'taker buys - taker sells, base units',
    cvd_quote Decimal(76, 24) COMMENT 'taker buys - taker sells, quote units',
    vwap Nullable(Float64) COMMENT 'quote volume / base volume, quote units',
    whale_cvd_quote Decimal(76, 24) COMMENT 'whale buys - whale sells, quote units',
    retail_cvd_quote Decimal(76, 24) COMMENT 'retail buys - retail sells, quote units',
    avg_trade_quote Float64 COMMENT 'mean quote value of a trade',
    avg_trade_base Float64 COMMENT 'mean size of a trade, base units',
    taker_buy_avg_trade_quote Nullable(Float64) COMMENT 'mean quote value of a taker buy; NULL without one',
    taker_sell_avg_trade_quote Nullable(Float64) COMMENT 'mean quote value of a taker sell; NULL without one',
    taker_buy_hhi_quote Nullable(Float64) COMMENT 'sum of squares / square of the sum over taker buys, 0 to 1',
    taker_sell_hhi_quote Nullable(Float64) COMMENT 'sum of squares / square of the sum over taker sells, 0 to 1',
    imbalance_ratio_quote Nullable(Float64) COMMENT 'cvd_quote / quote_volume, -1 to 1',
    tw_cvd_quote_norm Float64 COMMENT 'minutes\' cvd weighed 1…60 by minute, over the weights, times 60, quote units',
    price_change Decimal(38, 12) COMMENT 'close - open, quote units',
    cvd_per_abs_price_change Nullable(Float64) COMMENT 'cvd_quote / |price_change|; NULL where the price did not change',
    available_at DateTime64(6, 'UTC') COMMENT 'the later of the hour\'s end and the last receipt in it, UTC',
    quality LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the hour)'
)
COMMENT 'order flow by hour: CVD, whales and retail, concentration, time-weighted CVD'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts AS ts_1h,
    trade_count,
    base_volume,
    quote_volume,
    taker_buy_qty,
    taker_sell_qty,
    taker_buy_quote,
    taker_sell_quote,
    whale_buy_quote,
    whale_sell_quote,
    retail_buy_quote,
    retail_sell_quote,
    price_open,
    price_close,
    price_high,
    price_low,
    cvd_qty,
    cvd_quote,
    vwap,
    whale_cvd_quote,
    retail_cvd_quote,
    avg_trade_quote,
    avg_trade_base,
    taker_buy_avg_trade_quote,
    taker_sell_avg_trade_quote,
    taker_buy_hhi_quote,
    taker_sell_hhi_quote,
    imbalance_ratio_quote,
    tw_cvd_quote_norm,
    price_change,
    cvd_per_abs_price_change,
    available_at,
    quality
FROM marketprism_features.agg_trades_by(minutes = 60);

CREATE OR REPLACE VIEW marketprism_features.footprint_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    tick_size Decimal(38, 12) COMMENT 'price step that px_bin counts, quote units',
    px_bin Int64 COMMENT 'price bin: price / tick_size',
    px Float64 COMMENT 'price of the bin, quote units',
    ask_vol Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    bid_vol Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    total_vol Decimal(38, 12) COMMENT 'ask_vol + bid_vol, base units',
    delta Decimal(38, 12) COMMENT 'ask_vol - bid_vol, base units',
    trades UInt64 COMMENT 'number of trades',
    quality LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the minute)'
)
COMMENT 'footprint by minute: taker buys and sells per price bin'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1m AS ts_1m,
    s.tick_size AS tick_size,
    s.px_bin AS px_bin,
    toFloat64(toDecimal256(s.tick_size, 12) * s.px_bin) AS px,
    s.ask_vol AS ask_vol,
    s.bid_vol AS bid_vol,
    s.ask_vol + s.bid_vol AS total_vol,
    s.ask_vol - s.bid_vol AS delta,
    s.trades AS trades,
    multiIf(now64(6, 'UTC') < toDateTime64(s.ts_1m + 60, 6, 'UTC') + toIntervalSecond(3), 'partial', (s.exchange, s.market_type, s.symbol, s.ts_1m) IN
        (SELECT exchange, market_type, symbol, ts_1m FROM marketprism_features.gap_minutes WHERE of_type = 'trades'), 'gap', 'ok') AS quality
FROM marketprism_features.footprint_1m_state AS s FINAL
SETTINGS optimize_move_to_prewhere_if_final = 1;

CREATE OR REPLACE VIEW marketprism_features.quoted_trades_settled_between
COMMENT 'trades with the quotes before and after them, known as a whole (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    timestamp,
    sequence,
    bucket_id,
    taker_sign,
    price,
    quantity,
    bid,
    ask,
    quote_age_ms,
    later_bid,
    later_ask,
    settled_at AS available_at,
    multiIf(now64(6, 'UTC') < settled_at + toIntervalSecond(3), 'partial', (exchange, market_type, symbol, toStartOfMinute(toDateTime(timestamp, 'UTC'))) IN
        (SELECT exchange, market_type, symbol, ts_1m FROM marketprism_features.gap_minutes WHERE of_type = 'trades'), 'gap', NOT is_settled, 'stale', 'ok') AS quality
FROM marketprism_features.quoted_trades_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)});

CREATE OR REPLACE VIEW marketprism_features.quoted_trades
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange time, UTC',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    taker_sign Int8 COMMENT '1 for a taker buy, -1 for a taker sell',
    price Decimal(38, 12) COMMENT 'price of the trade, quote units',
    quantity Decimal(38, 12) COMMENT 'base units',
    bid Nullable(Decimal(38, 12)) COMMENT 'best bid strictly before the trade, quote units; NULL when older than 60 s or one-sided',
    ask Nullable(Decimal(38, 12)) COMMENT 'best ask strictly before the trade, quote units; NULL when older than 60 s or one-sided',
    quote_age_ms Nullable(Int64) COMMENT 'age of that quote at the trade, milliseconds',
    later_bid Nullable(Decimal(38, 12)) COMMENT 'best bid as of five seconds after the trade, quote units',
    later_ask Nullable(Decimal(38, 12)) COMMENT 'best ask as of five seconds after the trade, quote units',
    available_at DateTime64(6, 'UTC') COMMENT 'when the row was complete, five seconds after the trade at the earliest, UTC; as-of reads use it',
    quality LowCardinality(String) COMMENT 'ok, partial (quotes may still be on their way), gap (an unrepaired hole in the trades touches the minute) or stale (a quote is missing or too old)'
)
COMMENT 'trades with the quote strictly before them'
AS SELECT *
FROM marketprism_features.quoted_trades_settled_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');
