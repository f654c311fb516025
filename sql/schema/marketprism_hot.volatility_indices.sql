CREATE TABLE marketprism_hot.volatility_indices
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(1)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(1)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type' CODEC(DoubleDelta, ZSTD(1)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `index_value` Decimal(38, 12) COMMENT 'annualised volatility in percent' CODEC(ZSTD(1)),
    `underlying_asset` LowCardinality(String) COMMENT 'asset that the index is about',
    `maturity_date` Nullable(DateTime64(3, 'UTC')) COMMENT 'maturity the value is for, where there is one' CODEC(ZSTD(1)),
    `kind` LowCardinality(String) COMMENT 'dvol, mark_iv, ...',
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(1)),
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT lease CHECK (extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '') OR (toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)')))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'volatility indices and mark implied volatility'
