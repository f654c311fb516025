-- name:      agg_trades_1h
-- purpose:   order flow of each hour in the naming of archive users
-- grain:     one row per (exchange, market_type, symbol, ts_1h); hours without trades have no row
-- inputs:    marketprism_features.agg_trades_by
-- time:      ts_1h
-- freshness: when read
-- lookahead: none
-- source:    layers of archive users (their CSV calls the start of the hour `minute`)
DROP VIEW IF EXISTS marketprism_features.agg_trades_1h;

CREATE VIEW IF NOT EXISTS marketprism_features.agg_trades_1h
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
    available_at DateTime64(6, 'UTC') COMMENT 'the later of the hour\'s end and the last receipt in it, UTC'
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
    available_at
FROM marketprism_features.agg_trades_by(minutes = 60);
