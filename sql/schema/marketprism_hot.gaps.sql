CREATE TABLE marketprism_hot.gaps
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(1)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(1)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type' CODEC(DoubleDelta, ZSTD(1)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `of_type` LowCardinality(String) COMMENT 'data type with the hole',
    `from_sequence` UInt64 COMMENT 'first missing sequence' CODEC(ZSTD(1)),
    `to_sequence` UInt64 COMMENT 'last missing sequence' CODEC(ZSTD(1)),
    `from_time` DateTime64(3, 'UTC') COMMENT 'exchange time just inside the start of the hole, UTC' CODEC(ZSTD(1)),
    `to_time` DateTime64(3, 'UTC') COMMENT 'exchange time just inside the end of the hole, UTC' CODEC(ZSTD(1)),
    `cause` LowCardinality(String) COMMENT 'sequence, resync, crossed, disconnect or stream_hole',
    `repaired` Bool COMMENT 'true when the missing rows have come since',
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(1)),
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT lease CHECK (extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '') OR (toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)')))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'holes that could not be closed when they were seen'
