CREATE VIEW marketprism_features.footprint_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `tick_size` Decimal(38, 12) COMMENT 'price step that px_bin counts, quote units',
    `px_bin` Int64 COMMENT 'price bin: price / tick_size',
    `px` Float64 COMMENT 'price of the bin, quote units',
    `ask_vol` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `bid_vol` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `total_vol` Decimal(38, 12) COMMENT 'ask_vol + bid_vol, base units',
    `delta` Decimal(38, 12) COMMENT 'ask_vol - bid_vol, base units',
    `trades` UInt64 COMMENT 'number of trades',
    `quality` LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the minute)'
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
    multiIf(now64(6, 'UTC') < (toDateTime64(s.ts_1m + 60, 6, 'UTC') + toIntervalSecond(3)), 'partial', ((s.exchange, s.market_type, s.symbol, s.ts_1m) IN (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m
        FROM marketprism_features.gap_minutes
        WHERE of_type = 'trades'
    )), 'gap', 'ok') AS quality
FROM marketprism_features.footprint_1m_state AS s
FINAL
SETTINGS optimize_move_to_prewhere_if_final = 1
