CREATE VIEW marketprism_features.impact_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `kyle_lambda_mid` Nullable(Float64) COMMENT 'slope of the change of the mid on the signed quote flow over the minutes of the last 50 that traded, quote units of price per quote unit; NULL below 20',
    `kyle_mid_stderr` Nullable(Float64) COMMENT 'standard error of kyle_lambda_mid',
    `kyle_mid_r2` Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    `kyle_lambda_wls` Nullable(Float64) COMMENT 'the same slope weighed by volume',
    `kyle_wls_stderr` Nullable(Float64) COMMENT 'standard error of kyle_lambda_wls',
    `kyle_wls_r2` Nullable(Float64) COMMENT 'weighted R squared of that regression, 0 to 1',
    `hasbrouck_lambda` Nullable(Float64) COMMENT 'slope through the origin of the log return on the sum of signed roots of quote amounts; NULL below 20',
    `hasbrouck_t` Nullable(Float64) COMMENT 't statistic of hasbrouck_lambda',
    `amihud_lambda` Nullable(Float64) COMMENT 'slope through the origin of |log return| on the quote volume',
    `amihud_mean` Nullable(Float64) COMMENT 'mean |log return| per quote unit of volume',
    `window_mids` UInt64 COMMENT 'minutes of the last 50 with a change of the mid',
    `window_minutes` UInt64 COMMENT 'minutes of the last 50 that traded, this one included',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (rows may still be on their way), gap (a hole in the trades touches the window), warmup (below 20 minutes) or stale (below 20 changes of the mid)'
)
COMMENT 'price impact by regression over 50 minutes'
AS SELECT *
FROM `marketprism_features.impact_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00', since = '1970-01-02 00:00:00')
