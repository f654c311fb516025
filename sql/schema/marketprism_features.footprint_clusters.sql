CREATE TABLE marketprism_features.footprint_clusters
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `run_ts` DateTime64(3, 'UTC') COMMENT 'end of the window that was clustered, exchange time, UTC',
    `run_id` String COMMENT 'the run in job_runs',
    `available_at` DateTime64(6, 'UTC') DEFAULT run_ts COMMENT 'run_ts and the time that the run took, UTC; as-of reads use it',
    `cluster_price` Float64 COMMENT 'volume-weighted mean price of the cluster, quote units',
    `total_vol` Float64 COMMENT 'volume of the cluster, base units',
    `delta` Float64 COMMENT 'taker buys less taker sells of the cluster, base units',
    `bins` UInt32 COMMENT 'price bins in the cluster',
    `last_ts` DateTime64(3, 'UTC') COMMENT 'end of the last minute in which the cluster traded, UTC',
    `quality` LowCardinality(String) COMMENT 'ok, or gap (a hole in the trades touches the window)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(run_ts)
ORDER BY (exchange, market_type, symbol, run_ts, cluster_price)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'price clusters of the footprint of 24 hours by DBSCAN; dynamic_levels reads them'
