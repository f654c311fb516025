-- A run looks at what was known at run_ts and is done a moment later: before that nobody had its rows. A run as of an earlier
-- instant (`features job NAME --at`) dates its rows alike. Rows of before this migration count from their run_ts on.
ALTER TABLE marketprism_features.footprint_clusters ADD COLUMN IF NOT EXISTS available_at DateTime64(6, 'UTC') DEFAULT run_ts COMMENT 'run_ts and the time that the run took, UTC; as-of reads use it' AFTER run_id;
ALTER TABLE marketprism_features.trade_clusters ADD COLUMN IF NOT EXISTS available_at DateTime64(6, 'UTC') DEFAULT run_ts COMMENT 'run_ts and the time that the run took, UTC; as-of reads use it' AFTER run_id;
