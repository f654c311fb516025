CREATE TABLE marketprism_features.footprint_candidates
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `run_ts` DateTime64(3, 'UTC') COMMENT 'when the window was looked at: its end, UTC',
    `run_id` String COMMENT 'the run in job_runs',
    `available_at` DateTime64(6, 'UTC') COMMENT 'run_ts and the time that the run took, UTC; as-of reads use it',
    `hours` UInt8 COMMENT 'length of the window: 1, 4 or 24 hours',
    `cluster_price` Float64 COMMENT 'price of the bin, quote units',
    `total_vol` Float64 COMMENT 'volume of the bin in the window, base units',
    `delta` Float64 COMMENT 'taker buys less taker sells of the bin in the window, base units',
    `avg_range_bps` Float64 COMMENT 'mean (high - low) / open of the minutes in which the bin traded, basis points',
    `candidate_type` LowCardinality(String) COMMENT 'absorption or exhaustion',
    `return_since` Float64 COMMENT 'last price over the price of the bin, less 1: what has happened since',
    `quality` LowCardinality(String) COMMENT 'ok, warmup (the window is not full yet) or gap (an unrepaired hole in the trades touches the window)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(run_ts)
ORDER BY (exchange, market_type, symbol, run_ts, hours, cluster_price)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_full_part_storage = 10485760, index_granularity = 8192
COMMENT 'absorption and exhaustion candidates of each run of the job: the history of the refreshed tables'
