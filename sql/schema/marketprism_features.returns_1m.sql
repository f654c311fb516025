CREATE VIEW marketprism_features.returns_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `log_return_1` Nullable(Float64) COMMENT 'log of close over the close 1 minute before',
    `log_return_3` Nullable(Float64) COMMENT 'log of close over the close 3 minutes before',
    `log_return_5` Nullable(Float64) COMMENT 'log of close over the close 5 minutes before',
    `log_return_10` Nullable(Float64) COMMENT 'log of close over the close 10 minutes before',
    `log_return_30` Nullable(Float64) COMMENT 'log of close over the close 30 minutes before',
    `log_return_60` Nullable(Float64) COMMENT 'log of close over the close 60 minutes before',
    `momentum_3` Nullable(Float64) COMMENT 'log_return_3 over the root of the squared returns of those minutes',
    `momentum_5` Nullable(Float64) COMMENT 'log_return_5 over the root of the squared returns of those minutes',
    `momentum_10` Nullable(Float64) COMMENT 'log_return_10 over the root of the squared returns of those minutes',
    `momentum_30` Nullable(Float64) COMMENT 'log_return_30 over the root of the squared returns of those minutes',
    `momentum_60` Nullable(Float64) COMMENT 'log_return_60 over the root of the squared returns of those minutes',
    `drawdown_60` Nullable(Float64) COMMENT 'log of close over the highest price of the last 60 minutes, 0 or below',
    `price_volume_momentum_10` Nullable(Float64) COMMENT 'mean log return of the last 10 minutes weighed by their notional; NULL unless each traded',
    `trade_impulse` Nullable(Float64) COMMENT 'signed volume over the mean volume per minute of the ten minutes before; NULL until ten minutes have passed since a first one',
    `window_minutes` UInt64 COMMENT 'minutes with a trade among the last 60, this one included',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the minute is not over), gap (a hole in the trades of the last hour) or warmup (no price 60 minutes before)'
)
COMMENT 'returns and momentum by minute'
AS SELECT *
FROM `marketprism_features.returns_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
