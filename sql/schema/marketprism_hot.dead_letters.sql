CREATE TABLE marketprism_hot.dead_letters
(
    `data_type` LowCardinality(String) COMMENT 'data type of the frame',
    `stream` LowCardinality(String) COMMENT 'JetStream stream that holds the frame',
    `stream_created` DateTime64(6, 'UTC') COMMENT 'when that stream was created; a re-created stream restarts its sequences',
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame',
    `row_number` UInt32 COMMENT 'row in the frame, from 1; 0 = the whole frame',
    `subject` String COMMENT 'NATS subject of the frame',
    `payload` String COMMENT 'the row, or the frame when no row can be told apart, as it came' CODEC(ZSTD(3)),
    `error` String COMMENT 'why it was not stored, in one line',
    `attempts` UInt32 COMMENT 'how often storing it was tried',
    `status` LowCardinality(String) COMMENT 'open, retried or dropped',
    `first_seen` DateTime64(6, 'UTC') COMMENT 'when JetStream took the frame, UTC: the same in every retry',
    `last_seen` DateTime64(6, 'UTC') COMMENT 'when this version was written, UTC',
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds',
    CONSTRAINT lease CHECK (extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '') OR (toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)')))
)
ENGINE = ReplacingMergeTree(attempts)
PARTITION BY toYYYYMM(first_seen)
ORDER BY (data_type, stream, stream_created, stream_seq, row_number)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'rows and frames that failed validation, with the reason; read with FINAL'
