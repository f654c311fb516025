CREATE TABLE marketprism_features.feature_registry
(
    `name` LowCardinality(String) COMMENT 'database.object of the feature',
    `version` UInt32 COMMENT 'counts from 1; rises when the SQL or a column changes',
    `signature` String COMMENT 'columns with their types, in order',
    `sql_hash` String COMMENT 'SHA-256 of the SQL that defines the object, white space and comments aside',
    `valid_from` DateTime64(6, 'UTC') COMMENT 'when this version was registered, UTC: rows computed from then on are of it'
)
ENGINE = MergeTree
ORDER BY (name, version)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'which version of a feature was valid from when'
