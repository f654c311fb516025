-- name:      footprint_1m_state
-- purpose:   additive state of the footprint: volume per minute and price bin
-- grain:     one row per (exchange, market_type, symbol, ts_1m, tick_size, px_bin) after merging; read with GROUP BY
-- inputs:    marketprism_hot.trades
-- time:      ts_1m
-- freshness: on insert
-- lookahead: none
-- source:    finmlkit 0.1.11 build_footprints (checked against), in integer ticks and exact decimals
--
-- tick_size is part of the key: when an exchange changes the tick in the middle of a minute, bins of both do not mix.
CREATE TABLE IF NOT EXISTS marketprism_features.footprint_1m_state
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    tick_size Decimal(38, 12) COMMENT 'price step that px_bin counts',
    px_bin Int64 COMMENT 'price bin: price / tick_size',
    trades SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    ask_vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys (lifted asks), base units',
    bid_vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker sells (hit bids), base units'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(ts_1m)
ORDER BY (exchange, market_type, symbol, ts_1m, tick_size, px_bin)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'additive state of the footprint by minute; footprint_1m reads it';

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.footprint_1m_mv
TO marketprism_features.footprint_1m_state
AS SELECT
    exchange,
    market_type,
    symbol,
    toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
    tick_size,
    price_tick AS px_bin,
    count() AS trades,
    sumIf(quantity, side = 'buy') AS ask_vol,
    sumIf(quantity, side = 'sell') AS bid_vol
FROM marketprism_hot.trades
WHERE bucket_id != 0
GROUP BY exchange, market_type, symbol, ts_1m, tick_size, px_bin;
