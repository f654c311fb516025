CREATE VIEW marketprism_features.rv_decomposition_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `rv_total` Nullable(Float64) COMMENT 'sum of squared log returns of the minute; NULL below two returns',
    `rv_jump` Nullable(Float64) COMMENT 'the larger of rv_total - bipower and 0',
    `rv_continuous` Nullable(Float64) COMMENT 'the smaller of rv_total and bipower',
    `jump_ratio` Nullable(Float64) COMMENT 'rv_jump / rv_total, 0 to 1',
    `bipower` Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|',
    `n_returns` UInt64 COMMENT 'returns of the minute',
    `available_at` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised variance by minute, and its jump part'
AS SELECT *
FROM `marketprism_features.rv_decomposition_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
