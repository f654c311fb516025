CREATE TABLE marketprism_cold.instruments
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `canonical` String COMMENT 'MarketPrism\'s venue-neutral name of the instrument' CODEC(ZSTD(6)),
    `base` LowCardinality(String) COMMENT 'base asset',
    `quote` LowCardinality(String) COMMENT 'quote asset',
    `settle` LowCardinality(String) COMMENT 'settlement asset',
    `type` LowCardinality(String) COMMENT 'spot, perpetual, future or option',
    `is_inverse` Bool COMMENT 'true when the contract is settled in the base asset',
    `multiplier` Decimal(38, 12) COMMENT 'quote or base units per contract' CODEC(ZSTD(6)),
    `tick_size` Decimal(38, 12) COMMENT 'price step, quote units' CODEC(ZSTD(6)),
    `lot_size` Decimal(38, 12) COMMENT 'quantity step, native units' CODEC(ZSTD(6)),
    `expiry` Nullable(DateTime64(3, 'UTC')) COMMENT 'expiry of a future or option, UTC' CODEC(ZSTD(6)),
    `strike` Nullable(Decimal(38, 12)) COMMENT 'strike of an option, quote units' CODEC(ZSTD(6)),
    `option_side` LowCardinality(String) COMMENT 'call, put or empty',
    `valid_from` DateTime64(3, 'UTC') COMMENT 'first moment the metadata holds, UTC' CODEC(ZSTD(6)),
    `valid_to` Nullable(DateTime64(3, 'UTC')) COMMENT 'first moment it no longer holds, UTC; NULL = still valid' CODEC(ZSTD(6)),
    `status` LowCardinality(String) COMMENT 'trading status as the exchange names it',
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(6)),
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(6))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'metadata that came with archives: what a file itself says of its symbol'
