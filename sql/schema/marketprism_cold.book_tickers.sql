CREATE TABLE marketprism_cold.book_tickers
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'event time plus the configured latency, UTC' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'update id' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'archive or import',
    `best_bid_price` Decimal(38, 12) COMMENT 'best bid, quote units' CODEC(ZSTD(6)),
    `best_bid_quantity` Decimal(38, 12) COMMENT 'quantity at the best bid, native units' CODEC(ZSTD(6)),
    `best_ask_price` Decimal(38, 12) COMMENT 'best ask, quote units' CODEC(ZSTD(6)),
    `best_ask_quantity` Decimal(38, 12) COMMENT 'quantity at the best ask, native units' CODEC(ZSTD(6)),
    `event_time` DateTime64(3, 'UTC') COMMENT 'when the exchange sent it, UTC' CODEC(ZSTD(6)),
    `last_update_id` UInt64 COMMENT 'id of the update that changed the best' CODEC(ZSTD(6)),
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
COMMENT 'changes of the best bid or ask of exchange archives'
