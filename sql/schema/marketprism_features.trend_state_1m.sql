CREATE VIEW marketprism_features.trend_state_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `momentum_30` Nullable(Float64) COMMENT 'log return over 30 minutes over the root of the squared returns of those minutes',
    `trend_state` LowCardinality(String) COMMENT 'up, flat or down',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (rows may still be on their way), gap (a hole in the trades of the last hour) or warmup (no momentum yet)'
)
COMMENT 'causal trend state by minute'
AS SELECT *
FROM `marketprism_features.trend_state_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
