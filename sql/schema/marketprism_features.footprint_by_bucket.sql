CREATE VIEW marketprism_features.footprint_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `tick_size` Decimal(38, 12) COMMENT 'price step that px_bin counts, quote units',
    `px_bin` Int64 COMMENT 'price bin: price / tick_size',
    `px` Float64 COMMENT 'price of the bin, quote units',
    `ask_vol` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `bid_vol` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `total_vol` Decimal(38, 12) COMMENT 'ask_vol + bid_vol, base units',
    `delta` Decimal(38, 12) COMMENT 'ask_vol - bid_vol, base units',
    `trades` UInt64 COMMENT 'number of trades',
    `quality` LowCardinality(String) COMMENT 'that of the bucket in unified_buckets: ok, partial (open) or gap'
)
COMMENT 'footprint by bucket: taker buys and sells per price bin'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.bucket_id AS bucket_id,
    s.tick_size AS tick_size,
    s.px_bin AS px_bin,
    toFloat64(toDecimal256(s.tick_size, 12) * s.px_bin) AS px,
    s.ask_vol AS ask_vol,
    s.bid_vol AS bid_vol,
    s.ask_vol + s.bid_vol AS total_vol,
    s.ask_vol - s.bid_vol AS delta,
    s.trades AS trades,
    u.quality AS quality
FROM marketprism_features.footprint_by_bucket_state AS s
FINAL
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        quality
    FROM marketprism_features.unified_buckets
) AS u ON (u.exchange = s.exchange) AND (u.market_type = s.market_type) AND (u.symbol = s.symbol) AND (u.bucket_id = s.bucket_id)
SETTINGS optimize_move_to_prewhere_if_final = 1
