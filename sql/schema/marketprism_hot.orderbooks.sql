CREATE TABLE marketprism_hot.orderbooks
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange time of the last update in the book, UTC, milliseconds' CODEC(Delta(8), ZSTD(1)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(1)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'equal to last_update_id' CODEC(DoubleDelta, ZSTD(1)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `last_update_id` UInt64 COMMENT 'exchange id of the last update in the book' CODEC(DoubleDelta, ZSTD(1)),
    `best_bid_price` Decimal(38, 12) COMMENT 'best bid, quote units; 0 when the side is empty' CODEC(ZSTD(1)),
    `best_ask_price` Decimal(38, 12) COMMENT 'best ask, quote units; 0 when the side is empty' CODEC(ZSTD(1)),
    `best_bid_quantity` Decimal(38, 12) COMMENT 'quantity at the best bid, base units' CODEC(ZSTD(1)),
    `best_ask_quantity` Decimal(38, 12) COMMENT 'quantity at the best ask, base units' CODEC(ZSTD(1)),
    `bids_count` UInt32 COMMENT 'bid levels of the whole local book, not only of the published top' CODEC(ZSTD(1)),
    `asks_count` UInt32 COMMENT 'ask levels of the whole local book, not only of the published top' CODEC(ZSTD(1)),
    `bid_prices` Array(Float64) COMMENT 'bid prices, best first; the shortest text restores the exchange\'s digits' CODEC(ZSTD(1)),
    `bid_quantities` Array(Float64) COMMENT 'quantities of bid_prices, base units' CODEC(ZSTD(1)),
    `ask_prices` Array(Float64) COMMENT 'ask prices, best first; the shortest text restores the exchange\'s digits' CODEC(ZSTD(1)),
    `ask_quantities` Array(Float64) COMMENT 'quantities of ask_prices, base units' CODEC(ZSTD(1)),
    `updates` UInt32 COMMENT 'updates applied since the row before' CODEC(ZSTD(1)),
    `ofi_l1` Float64 COMMENT 'order flow imbalance at the best level, base units, summed over every update since the row before' CODEC(ZSTD(1)),
    `ofi_l5` Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5, base units, summed over every update since the row before' CODEC(ZSTD(1)),
    `bid_added_quantity` Float64 COMMENT 'bid quantity added since the row before, base units' CODEC(ZSTD(1)),
    `bid_cancelled_quantity` Float64 COMMENT 'bid quantity taken away since the row before, base units' CODEC(ZSTD(1)),
    `ask_added_quantity` Float64 COMMENT 'ask quantity added since the row before, base units' CODEC(ZSTD(1)),
    `ask_cancelled_quantity` Float64 COMMENT 'ask quantity taken away since the row before, base units' CODEC(ZSTD(1)),
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(1)),
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT lease CHECK (extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '') OR (toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)')))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'sampled local order book, and what every update since the row before did'
