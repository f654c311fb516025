CREATE VIEW marketprism_features.realised_spread_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `effective_spread` Nullable(Float64) COMMENT '2 |price - mid| / mid of the settled trades, against the taker, weighed by mid * quantity, basis points',
    `realised_spread` Nullable(Float64) COMMENT '2 |price - mid five seconds later| / mid before, weighed alike, basis points',
    `price_impact` Nullable(Float64) COMMENT 'effective - realised spread: 2 |mid five seconds later - mid before| / mid before, basis points',
    `trades` UInt64 COMMENT 'number of trades',
    `settled_trades` UInt64 COMMENT 'trades with a quote before them and one five seconds later, neither older than 60 s',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised spread and price impact five seconds after the trades, by minute'
AS SELECT *
FROM `marketprism_features.realised_spread_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
