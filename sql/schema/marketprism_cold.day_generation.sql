CREATE TABLE marketprism_cold.day_generation
(
    `data_type` LowCardinality(String) COMMENT 'raw table whose day is installed with all targets of its views',
    `day` Date COMMENT 'UTC day',
    `generation` UInt64 COMMENT 'rises with every install of the day',
    `state` LowCardinality(String) COMMENT 'installing, or installed',
    `cause` LowCardinality(String) COMMENT 'history, archive, rebuild or import',
    `changed_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when this row was written; the newest of a key holds'
)
ENGINE = ReplacingMergeTree(changed_at)
PARTITION BY toYYYYMM(day)
ORDER BY (data_type, day)
SETTINGS non_replicated_deduplication_window = 0, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'installs of days; read with FINAL'
