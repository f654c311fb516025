CREATE TABLE marketprism_features.bucket_config
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `session_tag` LowCardinality(String) DEFAULT '' COMMENT 'part of the day or week the row is for; empty = all of it',
    `mode` LowCardinality(String) DEFAULT 'volume' COMMENT 'volume, count, event (book updates) or adaptive',
    `t_target_s` Float64 DEFAULT 30 COMMENT 'length a bucket should have, seconds',
    `t_max_s` Float64 DEFAULT 60 COMMENT 'time limit of a bucket, seconds',
    `q_bucket` Decimal(38, 12) DEFAULT 0 COMMENT 'volume that closes a bucket, base units',
    `q_min` Decimal(38, 12) DEFAULT 0 COMMENT 'lower bound of q_bucket in calibration, base units',
    `q_max` Decimal(38, 12) DEFAULT 0 COMMENT 'upper bound of q_bucket in calibration, base units',
    `n_trades` UInt32 DEFAULT 0 COMMENT 'trades that close a bucket (mode count)',
    `n_min` UInt32 DEFAULT 0 COMMENT 'lower bound of n_trades, and the trades an adaptive bucket needs',
    `n_max` UInt32 DEFAULT 0 COMMENT 'upper bound of n_trades in calibration',
    `n_updates` UInt32 DEFAULT 0 COMMENT 'book updates that close a bucket (mode event)',
    `u_min` UInt32 DEFAULT 0 COMMENT 'lower bound of n_updates in calibration',
    `u_max` UInt32 DEFAULT 0 COMMENT 'upper bound of n_updates in calibration',
    `vps_p50` Float64 DEFAULT 0 COMMENT 'median volume per second over the window, base units',
    `vps_p80` Float64 DEFAULT 0 COMMENT '0.8 quantile of volume per second over the window, base units',
    `tps_p50` Float64 DEFAULT 0 COMMENT 'median trades per second over the window',
    `tps_p80` Float64 DEFAULT 0 COMMENT '0.8 quantile of trades per second over the window',
    `ups_p50` Float64 DEFAULT 0 COMMENT 'median book updates per second over the window',
    `ups_p80` Float64 DEFAULT 0 COMMENT '0.8 quantile of book updates per second over the window',
    `window_min` UInt32 DEFAULT 0 COMMENT 'minutes of history behind the figures',
    `source` LowCardinality(String) COMMENT 'calibration, manual or import',
    `notes` String DEFAULT '' COMMENT 'free text of whoever wrote the row',
    `valid_from` DateTime64(3, 'UTC') COMMENT 'first moment the row holds, UTC',
    `valid_to` DateTime64(3, 'UTC') COMMENT 'first moment it no longer holds, UTC',
    `version` UInt64 COMMENT 'the highest version of a key wins',
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (exchange, market_type, symbol, session_tag, valid_from)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'when a bucket closes, per symbol and validity window; read with FINAL'
