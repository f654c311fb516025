CREATE TABLE marketprism_cold.trades
(
    `timestamp` DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `received_at` DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds' CODEC(Delta(8), ZSTD(6)),
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `sequence` UInt64 COMMENT 'exchange trade id (agg_trade: aggregate trade id); monotonic within the symbol' CODEC(DoubleDelta, ZSTD(6)),
    `data_source` LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    `trade_id` String COMMENT 'trade id as the exchange writes it' CODEC(ZSTD(6)),
    `trade_kind` LowCardinality(String) COMMENT 'id space of the row: trade or agg_trade; per symbol and day exactly one kind bears buckets',
    `price` Decimal(38, 12) COMMENT 'price in quote units' CODEC(ZSTD(6)),
    `quantity` Decimal(38, 12) COMMENT 'base-asset units; for inverse contracts rounded once (half-even, 12 digits) by the collector' CODEC(ZSTD(6)),
    `native_quantity` Decimal(38, 12) COMMENT 'quantity as the exchange sent it (contracts or base units)' CODEC(ZSTD(6)),
    `side` LowCardinality(String) COMMENT 'side of the taker: buy or sell',
    `is_maker` Bool COMMENT 'true when the buyer was the maker (the taker sold)',
    `trade_time` DateTime64(3, 'UTC') COMMENT 'trade time as the exchange states it, UTC, milliseconds' CODEC(Delta(8), ZSTD(6)),
    `is_market` Bool COMMENT 'false for insurance fund, ADL, block and other prints that are no market trade',
    `first_trade_id` UInt64 COMMENT 'first trade id inside an aggregate trade; the trade\'s own id otherwise' CODEC(DoubleDelta, ZSTD(6)),
    `last_trade_id` UInt64 COMMENT 'last trade id inside an aggregate trade; the trade\'s own id otherwise' CODEC(DoubleDelta, ZSTD(6)),
    `tick_size` Decimal(38, 12) COMMENT 'price step of the instrument when the trade was received' CODEC(ZSTD(6)),
    `price_tick` Int64 COMMENT 'price / tick_size rounded half up: the price bin of the footprint' CODEC(Delta(8), ZSTD(6)),
    `stream_seq` UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way' CODEC(DoubleDelta, ZSTD(6)),
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket; 0 = bears no bucket and no feature' CODEC(Delta(8), ZSTD(6)),
    `bucket_cut` LowCardinality(String) COMMENT 'volume, count or event on the trade that closes its bucket; empty elsewhere',
    `bucket_t_max_ms` UInt32 COMMENT 'time limit in milliseconds that the trade\'s bucket runs under' CODEC(ZSTD(6)),
    `late` Bool COMMENT 'true when the row closed a hole after later rows had been stored; its day is queued for rebuild',
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds' CODEC(DoubleDelta, ZSTD(6)),
    PROJECTION symbol_days
    (
        SELECT
            exchange,
            market_type,
            symbol,
            toDate(timestamp),
            data_source,
            trade_kind,
            count()
        GROUP BY
            exchange,
            market_type,
            symbol,
            toDate(timestamp),
            data_source,
            trade_kind
    )
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(timestamp)
ORDER BY (exchange, market_type, symbol, timestamp, sequence)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'verified days of every print: archived from hot, or loaded from exchange archives'
