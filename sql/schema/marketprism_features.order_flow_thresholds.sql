CREATE TABLE marketprism_features.order_flow_thresholds
(
    `valid_from` Date COMMENT 'first UTC day that the row holds for',
    `whale_quote` UInt64 COMMENT 'a trade of so many quote units or more is a whale\'s',
    `retail_quote` UInt64 COMMENT 'a trade of so many quote units or less is retail',
    `reason` String COMMENT 'why, in a person\'s words',
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when the row was written, UTC'
)
ENGINE = MergeTree
ORDER BY (valid_from, created_at)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'limits of whale and retail trades by day; the minute view carries them in its text'
