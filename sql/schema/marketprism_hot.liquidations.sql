CREATE TABLE marketprism_hot.liquidations
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(1)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(1)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type' CODEC(DoubleDelta, ZSTD(1)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `side` LowCardinality(String) COMMENT 'side of the forced order: sell = a long position was closed',
    `price` Decimal(38, 12) COMMENT 'price in quote units; price_kind says which' CODEC(ZSTD(1)),
    `price_kind` LowCardinality(String) COMMENT 'fill or bankruptcy',
    `quantity` Decimal(38, 12) COMMENT 'base-asset units' CODEC(ZSTD(1)),
    `native_quantity` Decimal(38, 12) COMMENT 'quantity as the exchange sent it' CODEC(ZSTD(1)),
    `liquidation_time` DateTime64(3, 'UTC') COMMENT 'time of the forced order, UTC, milliseconds' CODEC(ZSTD(1)),
    `sampled` Bool COMMENT 'true when the venue does not send every liquidation',
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(1)),
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(1)),
    CONSTRAINT lease CHECK (extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '') OR (toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)')))
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'forced orders; some venues send only a sample'
