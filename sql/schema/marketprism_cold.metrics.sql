CREATE TABLE marketprism_cold.metrics
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'end of the five minutes, UTC' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'timestamp plus the configured latency, UTC' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'timestamp, milliseconds since the epoch' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'archive or import',
    `sum_open_interest` Decimal(38, 12) COMMENT 'open interest, base units (COIN-M: contracts)' CODEC(ZSTD(6)),
    `sum_open_interest_value` Decimal(38, 12) COMMENT 'open interest, quote units (COIN-M: base units)' CODEC(ZSTD(6)),
    `count_toptrader_long_short_ratio` Float64 COMMENT 'long / short accounts of top traders; NaN where the file is empty' CODEC(ZSTD(6)),
    `sum_toptrader_long_short_ratio` Float64 COMMENT 'long / short positions of top traders; NaN where the file is empty' CODEC(ZSTD(6)),
    `count_long_short_ratio` Float64 COMMENT 'long / short accounts of all traders; NaN where the file is empty' CODEC(ZSTD(6)),
    `sum_taker_long_short_vol_ratio` Float64 COMMENT 'taker buy / sell volume; NaN where the file is empty' CODEC(ZSTD(6)),
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
ORDER BY (exchange, market_type, symbol, timestamp)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'open interest and long/short ratios every five minutes, of exchange archives'
