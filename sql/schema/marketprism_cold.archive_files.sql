CREATE TABLE marketprism_cold.archive_files
(
    `path` String COMMENT 'path below the archive\'s data/ folder',
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'symbol, or pair, that the file is of',
    `file_type` LowCardinality(String) COMMENT 'kind of file as the archive names it: aggTrades, klines, …',
    `interval` LowCardinality(String) COMMENT 'length of the candles; empty for other kinds',
    `period` String COMMENT 'YYYY-MM or YYYY-MM-DD',
    `checksum` String COMMENT 'sha256 of the zip, hexadecimal; empty when the file does not exist',
    `state` LowCardinality(String) COMMENT 'staged, installed, absent (404), failed, or superseded (its days come from live rows)',
    `rows` UInt64 COMMENT 'rows staged, duplicates left out',
    `duplicates` UInt64 COMMENT 'rows left out because the file has them twice',
    `outside` UInt64 COMMENT 'rows left out because their time is not in the period',
    `first_id` UInt64 COMMENT 'lowest sequence',
    `last_id` UInt64 COMMENT 'highest sequence',
    `missing_ids` UInt64 COMMENT 'sequences missing between them (trades and aggTrades)',
    `first_time` DateTime64(3, 'UTC') COMMENT 'earliest time of a row, UTC',
    `last_time` DateTime64(3, 'UTC') COMMENT 'latest time of a row, UTC',
    `content_hash` UInt64 COMMENT 'order-independent hash of the staged rows',
    `note` String COMMENT 'known defects of the archive that touch the period, and days left to live rows',
    `error` String COMMENT 'why it failed',
    `updated_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when this row was written; the newest of a path holds'
)
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY path
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'files of exchange archives and what became of them; read with FINAL'
