CREATE TABLE marketprism_cold.klines
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'start of the candle, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'end of the candle plus the configured latency, UTC' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'start of the candle, milliseconds since the epoch' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'archive or import',
    `interval` LowCardinality(String) COMMENT 'length of the candle as the exchange names it: 1m, 1h, 1d, …',
    `open_time` DateTime64(3, 'UTC') COMMENT 'start of the candle, UTC' CODEC(ZSTD(6)),
    `open` Decimal(38, 12) COMMENT 'first price, quote units' CODEC(ZSTD(6)),
    `high` Decimal(38, 12) COMMENT 'highest price, quote units' CODEC(ZSTD(6)),
    `low` Decimal(38, 12) COMMENT 'lowest price, quote units' CODEC(ZSTD(6)),
    `close` Decimal(38, 12) COMMENT 'last price, quote units' CODEC(ZSTD(6)),
    `volume` Decimal(38, 12) COMMENT 'volume, base units' CODEC(ZSTD(6)),
    `quote_volume` Decimal(38, 12) COMMENT 'volume, quote units' CODEC(ZSTD(6)),
    `trades` UInt64 COMMENT 'number of trades' CODEC(ZSTD(6)),
    `taker_buy_volume` Decimal(38, 12) COMMENT 'volume of taker buys, base units' CODEC(ZSTD(6)),
    `taker_buy_quote_volume` Decimal(38, 12) COMMENT 'volume of taker buys, quote units' CODEC(ZSTD(6)),
    `close_time` DateTime64(3, 'UTC') COMMENT 'last millisecond of the candle, UTC' CODEC(ZSTD(6)),
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
ORDER BY (exchange, market_type, symbol, interval, timestamp)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'candles of exchange archives'
