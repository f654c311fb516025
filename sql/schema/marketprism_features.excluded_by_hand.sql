CREATE TABLE marketprism_features.excluded_by_hand
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `from_time` DateTime64(3, 'UTC') COMMENT 'first instant that is left out, exchange time, UTC',
    `to_time` DateTime64(3, 'UTC') COMMENT 'last instant that is left out, exchange time, UTC',
    `reason` String COMMENT 'why, in a person\'s words',
    `created_at` DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when the row was written, UTC'
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, from_time)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'stretches of time that a person has excluded; excluded_intervals reads it'
