CREATE TABLE marketprism_hot.best_quotes
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(1)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(1)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'equal to last_update_id' CODEC(DoubleDelta, ZSTD(1)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `bid_price` Decimal(38, 12) COMMENT 'best bid, quote units; 0 when the side is empty' CODEC(ZSTD(1)),
    `bid_quantity` Decimal(38, 12) COMMENT 'quantity at the best bid, base units' CODEC(ZSTD(1)),
    `ask_price` Decimal(38, 12) COMMENT 'best ask, quote units; 0 when the side is empty' CODEC(ZSTD(1)),
    `ask_quantity` Decimal(38, 12) COMMENT 'quantity at the best ask, base units' CODEC(ZSTD(1)),
    `last_update_id` UInt64 COMMENT 'exchange id of the update that changed the best' CODEC(DoubleDelta, ZSTD(1)),
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(1)),
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT lease CHECK (extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '') OR (toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)')))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'every change of the best bid or ask of the local book'
