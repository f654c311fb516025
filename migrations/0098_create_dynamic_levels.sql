-- name:      dynamic_levels
-- purpose:   resistance above and support below a price, from clusters of the footprint that fade with distance and age
-- grain:     one row per (exchange, market_type, symbol) of the parameters
-- inputs:    marketprism_features.footprint_clusters
-- time:      at
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism: weight = volume * exp(-distance_bps / 50) * exp(-age_s / 7200), the 200 heaviest clusters
--
-- Parameters: exchange, market_type, symbol, at (DateTime64), price (Float64). Reads the newest finished run of the
-- footprint_clusters job at or before at. What jobs write stands beside it: their runs, both kinds of clusters, and the
-- registry of features.
CREATE TABLE IF NOT EXISTS marketprism_features.job_runs
(
    job LowCardinality(String) COMMENT 'name of the job',
    run_id String COMMENT 'id of the run; rows it wrote carry it',
    started_at DateTime64(6, 'UTC') COMMENT 'when the run began, UTC',
    finished_at DateTime64(6, 'UTC') COMMENT 'when the run ended, UTC',
    state LowCardinality(String) COMMENT 'done or failed',
    rows_read UInt64 COMMENT 'rows the run read',
    rows_written UInt64 COMMENT 'rows the run wrote',
    error String COMMENT 'one line when the run failed, else empty'
)
ENGINE = MergeTree
ORDER BY (job, started_at)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'runs of the jobs that compute features outside SQL';

CREATE TABLE IF NOT EXISTS marketprism_features.footprint_clusters
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    run_ts DateTime64(3, 'UTC') COMMENT 'end of the window that was clustered, exchange time, UTC',
    run_id String COMMENT 'the run in job_runs',
    cluster_price Float64 COMMENT 'volume-weighted mean price of the cluster, quote units',
    total_vol Float64 COMMENT 'volume of the cluster, base units',
    delta Float64 COMMENT 'taker buys less taker sells of the cluster, base units',
    bins UInt32 COMMENT 'price bins in the cluster',
    last_ts DateTime64(3, 'UTC') COMMENT 'end of the last minute in which the cluster traded, UTC',
    quality LowCardinality(String) COMMENT 'ok, or gap (a hole in the trades touches the window)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(run_ts)
ORDER BY (exchange, market_type, symbol, run_ts, cluster_price)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'price clusters of the footprint by DBSCAN; dynamic_levels reads them';

CREATE TABLE IF NOT EXISTS marketprism_features.trade_clusters
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    run_ts DateTime64(3, 'UTC') COMMENT 'end of the window that was clustered, exchange time, UTC',
    run_id String COMMENT 'the run in job_runs',
    clusters UInt32 COMMENT 'clusters in time / 5 s, price / 10 bps, log size / 0.2 with at least 3 trades',
    largest_volume Float64 COMMENT 'volume of the largest cluster, base units',
    mean_density Float64 COMMENT 'mean over clusters of trades per second, a cluster counting as at least one second',
    buy_share Nullable(Float64) COMMENT 'share of clusters with more taker buys than sells by volume; NULL without a cluster',
    sell_share Nullable(Float64) COMMENT 'share of clusters with more taker sells than buys by volume; NULL without a cluster',
    quality LowCardinality(String) COMMENT 'ok, or gap (a hole in the trades touches the window)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(run_ts)
ORDER BY (exchange, market_type, symbol, run_ts)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'clusters of trades in time, price and size by DBSCAN';

CREATE TABLE IF NOT EXISTS marketprism_features.feature_registry
(
    name LowCardinality(String) COMMENT 'database.object of the feature',
    version UInt32 COMMENT 'counts from 1; rises when the SQL or a column changes',
    signature String COMMENT 'columns with their types, in order',
    sql_hash String COMMENT 'SHA-256 of the SQL that defines the object, white space and comments aside',
    valid_from DateTime64(6, 'UTC') COMMENT 'when this version was registered, UTC: rows computed from then on are of it'
)
ENGINE = MergeTree
ORDER BY (name, version)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'which version of a feature was valid from when';

CREATE VIEW IF NOT EXISTS marketprism_features.dynamic_levels
COMMENT 'resistance and support from footprint clusters (parameters exchange, market_type, symbol, at, price)'
AS WITH
    arraySlice(arrayReverseSort(groupArray((weight, side, distance_bps))), 1, 200) AS heaviest,
    arrayFilter(level -> level.2 = 1, heaviest) AS above,
    arrayFilter(level -> level.2 = -1, heaviest) AS below
SELECT
    exchange,
    market_type,
    symbol,
    max(run_ts) AS run_ts,
    arraySum(arrayMap(level -> level.1, above)) AS resistance,
    arraySum(arrayMap(level -> level.1, below)) AS support,
    if(empty(above), NULL, arrayMin(arrayMap(level -> level.3, above))) AS resistance_bps,
    if(empty(below), NULL, arrayMin(arrayMap(level -> level.3, below))) AS support_bps,
    log(nullIf(resistance, 0) / nullIf(support, 0)) AS level_log_ratio,
    length(heaviest) AS clusters,
    if(dateDiff('second', run_ts, {at:DateTime64(3)}) > 600, 'stale', 'ok') AS quality
FROM
(
    SELECT
        c.exchange AS exchange,
        c.market_type AS market_type,
        c.symbol AS symbol,
        c.run_ts AS run_ts,
        if(c.cluster_price >= {price:Float64}, 1, -1) AS side,
        abs(c.cluster_price / {price:Float64} - 1) * 10000 AS distance_bps,
        c.total_vol * exp(-distance_bps / 50) * exp(-dateDiff('millisecond', c.last_ts, {at:DateTime64(3)}) / 7200000) AS weight
    FROM marketprism_features.footprint_clusters AS c
    WHERE c.exchange = {exchange:String} AND c.market_type = {market_type:String} AND c.symbol = {symbol:String}
        AND c.run_ts = (
            SELECT max(run_ts)
            FROM marketprism_features.footprint_clusters
            WHERE exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
                AND run_ts <= {at:DateTime64(3)}
        )
)
GROUP BY exchange, market_type, symbol;
