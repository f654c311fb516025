CREATE TABLE marketprism_features.job_runs
(
    `job` LowCardinality(String) COMMENT 'name of the job',
    `run_id` String COMMENT 'id of the run; rows it wrote carry it',
    `started_at` DateTime64(6, 'UTC') COMMENT 'when the run began, UTC',
    `finished_at` DateTime64(6, 'UTC') COMMENT 'when the run ended, UTC',
    `state` LowCardinality(String) COMMENT 'done or failed',
    `rows_read` UInt64 COMMENT 'rows the run read',
    `rows_written` UInt64 COMMENT 'rows the run wrote',
    `error` String COMMENT 'one line when the run failed, else empty'
)
ENGINE = MergeTree
ORDER BY (job, started_at)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'runs of the jobs that compute features outside SQL'
