CREATE TABLE marketprism_cold.book_depth_bands
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'time of the look at the book, UTC' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'timestamp plus the configured latency, UTC' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'timestamp, milliseconds since the epoch' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'archive or import',
    `percentage` Decimal(9, 4) COMMENT 'distance from the price in percent: negative bids, positive asks' CODEC(ZSTD(6)),
    `depth` Decimal(38, 12) COMMENT 'quantity between the price and the band, base units (COIN-M: contracts)' CODEC(ZSTD(6)),
    `notional` Decimal(38, 12) COMMENT 'the same in quote units (COIN-M: base units)' CODEC(ZSTD(6)),
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
ORDER BY (exchange, market_type, symbol, timestamp, percentage)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'cumulative depth within percentage bands of the price, about every 30 s, of exchange archives'
