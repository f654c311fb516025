-- name:      footprint_by_bucket_state
-- purpose:   additive state of the footprint: volume per bucket and price bin
-- grain:     one row per (exchange, market_type, symbol, bucket_id, tick_size, px_bin) after merging; read with GROUP BY
-- inputs:    marketprism_hot.trades
-- time:      bucket_id
-- freshness: on insert
-- lookahead: none
-- source:    finmlkit 0.1.11 build_footprints (checked against), in integer ticks and exact decimals
--
-- tick_size is part of the key: when an exchange changes the tick in the middle of a bucket, bins of both do not mix.
CREATE TABLE IF NOT EXISTS marketprism_features.footprint_by_bucket_state
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    tick_size Decimal(38, 12) COMMENT 'price step that px_bin counts',
    px_bin Int64 COMMENT 'price bin: price / tick_size',
    trades SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    ask_vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys (lifted asks), base units',
    bid_vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker sells (hit bids), base units'
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(bucket_id, 1000000)
ORDER BY (exchange, market_type, symbol, bucket_id, tick_size, px_bin)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'additive state of the footprint by bucket; footprint_by_bucket reads it';

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.footprint_by_bucket_mv
TO marketprism_features.footprint_by_bucket_state
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    tick_size,
    price_tick AS px_bin,
    count() AS trades,
    sumIf(quantity, side = 'buy') AS ask_vol,
    sumIf(quantity, side = 'sell') AS bid_vol
FROM marketprism_hot.trades
WHERE bucket_id != 0
GROUP BY exchange, market_type, symbol, bucket_id, tick_size, px_bin;
