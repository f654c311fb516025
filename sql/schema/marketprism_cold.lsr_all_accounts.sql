CREATE TABLE marketprism_cold.lsr_all_accounts
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `long_account_ratio` Decimal(38, 12) COMMENT 'share of accounts net long, 0 to 1' CODEC(ZSTD(6)),
    `short_account_ratio` Decimal(38, 12) COMMENT 'share of accounts net short, 0 to 1' CODEC(ZSTD(6)),
    `period` LowCardinality(String) COMMENT 'length of the period that ends at timestamp, as the exchange names it',
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(6)),
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(6)),
    PROJECTION symbol_days
    (
        SELECT
            exchange,
            market_type,
            symbol,
            toDate(timestamp),
            data_source,
            count()
        GROUP BY
            exchange,
            market_type,
            symbol,
            toDate(timestamp),
            data_source
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'verified days of account ratios'
