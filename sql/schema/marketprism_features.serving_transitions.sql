CREATE TABLE marketprism_features.serving_transitions
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `state` LowCardinality(String) COMMENT 'healthy, degraded or recovering',
    `reason` String COMMENT 'what was seen, with its figure: stale 312 s, slow p90 131 s, 10 fresh buckets',
    `since` DateTime64(6, 'UTC') COMMENT 'from when the state holds, by the writer\'s clock, UTC',
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when the row was written, UTC',
    CONSTRAINT known_state CHECK state IN ('healthy', 'degraded', 'recovering')
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, since)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'changes between bucket and minute features; serving_state shows the newest'
