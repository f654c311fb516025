CREATE TABLE marketprism_features.feature_drift
(
    `run_id` String COMMENT 'id of the run in job_runs',
    `measured_at` DateTime64(6, 'UTC') COMMENT 'when the run began, UTC',
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `object` LowCardinality(String) COMMENT 'view in marketprism_features',
    `feature` LowCardinality(String) COMMENT 'column of the view',
    `period` LowCardinality(String) COMMENT 'day or week',
    `window_from` DateTime64(6, 'UTC') COMMENT 'first instant of the window, UTC',
    `window_to` DateTime64(6, 'UTC') COMMENT 'first instant after the window, UTC',
    `reference_from` DateTime64(6, 'UTC') COMMENT 'first instant of the reference window, UTC',
    `reference_to` DateTime64(6, 'UTC') COMMENT 'first instant after the reference window, UTC',
    `rows` UInt64 COMMENT 'values in the window, missing ones included',
    `reference_rows` UInt64 COMMENT 'values in the reference window, missing ones included',
    `psi` Nullable(Float64) COMMENT 'population stability index over bins of equal reference share; NULL for price levels and below 500 values',
    `ks` Nullable(Float64) COMMENT 'Kolmogorov-Smirnov distance, 0 to 1; NULL alike',
    `level` LowCardinality(String) COMMENT 'ok, watch (PSI above 0.1), warning (0.15), critical (0.25) or few (no PSI)',
    `missing_ratio` Nullable(Float64) COMMENT 'share of missing values in the window, 0 to 1',
    `is_constant` Bool COMMENT 'true when all values of the window are equal',
    `outlier_ratio` Nullable(Float64) COMMENT 'share of values more than 5 interquartile ranges beyond a quartile of the reference',
    `mean` Nullable(Float64) COMMENT 'mean of the window, in the unit of the feature',
    `reference_mean` Nullable(Float64) COMMENT 'mean of the reference window, in the unit of the feature',
    `edges` Array(Float64) COMMENT 'edges between the bins, in the unit of the feature',
    `shares` Array(Float64) COMMENT 'share of the window in each bin, the first and the last open',
    `reference_shares` Array(Float64) COMMENT 'share of the reference window in each bin'
)
ENGINE = MergeTree
ORDER BY (measured_at, exchange, market_type, symbol, object, feature, period)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, min_bytes_for_full_part_storage = 10485760
COMMENT 'distribution and health of every feature per symbol, by day and week, against its reference window'
