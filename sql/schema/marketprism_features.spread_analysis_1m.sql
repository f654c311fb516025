CREATE VIEW marketprism_features.spread_analysis_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `effective_spread` Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    `quoted_spread` Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    `spread_ratio` Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    `trades` UInt64 COMMENT 'number of trades',
    `quoted_trades` UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'effective and quoted spread and their ratio, by minute'
AS SELECT *
FROM `marketprism_features.spread_analysis_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
