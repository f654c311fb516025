CREATE TABLE marketprism_features.trade_clusters
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `run_ts` DateTime64(3, 'UTC') COMMENT 'end of the window that was clustered, exchange time, UTC',
    `run_id` String COMMENT 'the run in job_runs',
    `available_at` DateTime64(6, 'UTC') DEFAULT run_ts COMMENT 'run_ts and the time that the run took, UTC; as-of reads use it',
    `clusters` UInt32 COMMENT 'clusters in time / 5 s, price / 10 bps, log size / 0.2 with at least 3 trades',
    `largest_volume` Float64 COMMENT 'volume of the largest cluster, base units',
    `mean_density` Float64 COMMENT 'mean over clusters of trades per second, a cluster counting as at least one second',
    `buy_share` Nullable(Float64) COMMENT 'share of clusters with more taker buys than sells by volume; NULL without a cluster',
    `sell_share` Nullable(Float64) COMMENT 'share of clusters with more taker sells than buys by volume; NULL without a cluster',
    `quality` LowCardinality(String) COMMENT 'ok, or gap (a hole in the trades touches the window)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(run_ts)
ORDER BY (exchange, market_type, symbol, run_ts)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'clusters of the trades of ten minutes in time, price and size by DBSCAN'
