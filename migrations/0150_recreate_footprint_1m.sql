-- name:      footprint_1m
-- purpose:   footprint: taker buys and sells per minute and price bin
-- grain:     one row per (exchange, market_type, symbol, ts_1m, tick_size, px_bin)
-- inputs:    marketprism_features.footprint_1m_state
-- time:      ts_1m
-- freshness: on insert
-- lookahead: none
-- source:    finmlkit 0.1.11 build_footprints (checked against); here only bins that traded
--
-- FINAL merges the states in the order in which they are stored: of a merged day nothing is left to do, where GROUP BY
-- hashed every bin again. The setting lets the keys of a WHERE choose rows before they are merged.
DROP VIEW IF EXISTS marketprism_features.footprint_1m;

CREATE VIEW IF NOT EXISTS marketprism_features.footprint_1m
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
    trades UInt64 COMMENT 'number of trades'
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
    s.trades AS trades
FROM marketprism_features.footprint_1m_state AS s FINAL
SETTINGS optimize_move_to_prewhere_if_final = 1;
