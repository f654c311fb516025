CREATE TABLE marketprism_cold.funding_rates
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `funding_rate` Decimal(38, 12) COMMENT 'funding rate, fraction per interval' CODEC(ZSTD(6)),
    `funding_kind` LowCardinality(String) COMMENT 'predicted (running estimate), settled or continuous',
    `funding_interval_h` UInt16 COMMENT 'hours between settlements; 0 = not known' CODEC(ZSTD(6)),
    `funding_time` DateTime64(3, 'UTC') COMMENT 'settlement that the rate belongs to, UTC' CODEC(ZSTD(6)),
    `next_funding_time` DateTime64(3, 'UTC') COMMENT 'next settlement, UTC' CODEC(ZSTD(6)),
    `mark_price` Nullable(Decimal(38, 12)) COMMENT 'mark price, quote units, where the message carries it' CODEC(ZSTD(6)),
    `index_price` Nullable(Decimal(38, 12)) COMMENT 'index price, quote units, where the message carries it' CODEC(ZSTD(6)),
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
COMMENT 'verified days of funding'
