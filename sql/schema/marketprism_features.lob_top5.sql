CREATE TABLE marketprism_features.lob_top5
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange time of the last update in the book, UTC' CODEC(Delta(8), ZSTD(1)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC' CODEC(Delta(8), ZSTD(1)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'exchange id of the last update in the book' CODEC(Delta(8), ZSTD(1)),
    `mid_price` Nullable(Float64) COMMENT '(best bid + best ask) / 2, quote units; NULL when a side is empty' CODEC(ZSTD(1)),
    `bid_prices_5` Array(Float64) COMMENT 'up to five bid prices, best first' CODEC(ZSTD(1)),
    `bid_quantities_5` Array(Float64) COMMENT 'quantities of bid_prices_5, base units' CODEC(ZSTD(1)),
    `ask_prices_5` Array(Float64) COMMENT 'up to five ask prices, best first' CODEC(ZSTD(1)),
    `ask_quantities_5` Array(Float64) COMMENT 'quantities of ask_prices_5, base units' CODEC(ZSTD(1)),
    `tob_imbalance` Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity at the best, -1 to 1' CODEC(ZSTD(1)),
    `weighted_imbalance_5` Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity of five levels, level i weighed by 1 / i' CODEC(ZSTD(1)),
    `microprice` Nullable(Float64) COMMENT '(bid price * ask quantity + ask price * bid quantity) / both quantities, quote units' CODEC(ZSTD(1)),
    `spread_bps` Nullable(Float64) COMMENT '(best ask - best bid) / mid * 10000, basis points' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'five levels a side of every published book, with mid, spread, imbalance and microprice'
