CREATE MATERIALIZED VIEW marketprism_features.footprint_candidates_4h
REFRESH EVERY 5 MINUTE
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `run_ts` DateTime64(3, 'UTC') COMMENT 'when the window was looked at, UTC; ignore rows older than 10 minutes',
    `cluster_price` Float64 COMMENT 'price of the bin, quote units',
    `total_vol` Float64 COMMENT 'volume of the bin in the window, base units',
    `delta` Float64 COMMENT 'taker buys less taker sells of the bin in the window, base units',
    `avg_range_bps` Float64 COMMENT 'mean (high - low) / open of the minutes in which the bin traded, basis points',
    `candidate_type` LowCardinality(String) COMMENT 'absorption or exhaustion',
    `return_since` Float64 COMMENT 'last price over the price of the bin, less 1: what has happened since',
    `quality` LowCardinality(String) COMMENT 'ok, warmup (the window is not full yet) or gap (an unrepaired hole in the trades touches the window)'
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, cluster_price)
SETTINGS index_granularity = 8192
DEFINER = default SQL SECURITY DEFINER
COMMENT 'absorption and exhaustion candidates of the last 4 h; refreshed every five minutes'
AS SELECT *
FROM `marketprism_features.footprint_candidates_at`(run_at = (
    SELECT now64(3, 'UTC')
), hours = 4)
