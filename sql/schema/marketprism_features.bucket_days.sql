CREATE TABLE marketprism_features.bucket_days
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `day` Date COMMENT 'UTC day of the trades\' own timestamps',
    `trade_kind` LowCardinality(String) COMMENT 'id space that bears buckets on that day: trade or agg_trade',
    `mode` LowCardinality(String) COMMENT 'volume, count, event or adaptive',
    `q_bucket` Decimal(38, 12) COMMENT 'volume that closes a bucket, base units',
    `n_trades` UInt32 COMMENT 'trades that close a bucket (mode count)',
    `n_updates` UInt32 COMMENT 'book updates that close a bucket (mode event)',
    `t_target_s` Float64 COMMENT 'length a bucket should have, seconds (mode adaptive)',
    `t_max_ms` UInt32 COMMENT 'time limit of a bucket, milliseconds',
    `n_min` UInt32 COMMENT 'trades a bucket needs (mode adaptive)',
    `quality_close` Float64 COMMENT 'quality at which an adaptive bucket closes',
    `config_version` UInt64 COMMENT 'version of the bucket_config row; 0 = none',
    `source` LowCardinality(String) COMMENT 'config, expired (last expired row), default (built in) or time (time buckets)',
    `frozen_at` DateTime64(6, 'UTC') COMMENT 'when the storage service froze the day, UTC',
    CONSTRAINT lease CHECK (extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)') = '') OR (toUnixTimestamp64Milli(now64(3)) < toInt64OrZero(extract(getSetting('log_comment'), '^lease_until_ms=([0-9]+)')))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (exchange, market_type, symbol, day)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'what cut the buckets of each symbol and day: frozen before the first trade'
