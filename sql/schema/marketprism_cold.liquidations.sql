CREATE TABLE marketprism_cold.liquidations
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `side` LowCardinality(String) COMMENT 'side of the forced order: sell = a long position was closed',
    `price` Decimal(38, 12) COMMENT 'price in quote units; price_kind says which' CODEC(ZSTD(6)),
    `price_kind` LowCardinality(String) COMMENT 'fill or bankruptcy',
    `quantity` Decimal(38, 12) COMMENT 'base-asset units' CODEC(ZSTD(6)),
    `native_quantity` Decimal(38, 12) COMMENT 'quantity as the exchange sent it' CODEC(ZSTD(6)),
    `liquidation_time` DateTime64(3, 'UTC') COMMENT 'time of the forced order, UTC, milliseconds' CODEC(ZSTD(6)),
    `sampled` Bool COMMENT 'true when the venue does not send every liquidation',
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
COMMENT 'verified days of forced orders, live ones and those of archives'
