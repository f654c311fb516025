CREATE TABLE marketprism_cold.archive_status
(
    `archive_date` Date COMMENT 'UTC day',
    `data_type` LowCardinality(String) COMMENT 'raw table',
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `records_archived` UInt64 COMMENT 'rows of the hot day that are in cold',
    `archive_size_bytes` UInt64 COMMENT 'bytes on disk of the cold day, all exchanges',
    `archive_duration_seconds` Float64 COMMENT 'from the first row read to the verified install, seconds',
    `content_hash` UInt64 COMMENT 'order-independent hash of those rows, created_at left out',
    `verified` Bool COMMENT 'true when count and hash are equal on both sides after the install',
    `hot_dropped` Bool DEFAULT false COMMENT 'true once the retention job has dropped the hot day',
    `archived_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when this row was written; the newest of a key holds'
)
ENGINE = ReplacingMergeTree(archived_at)
PARTITION BY toYYYYMM(archive_date)
ORDER BY (data_type, archive_date, exchange)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'which hot days are in cold, and that they were verified; read with FINAL'
