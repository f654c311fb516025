CREATE VIEW marketprism_features.returns_1s
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1s` DateTime('UTC') COMMENT 'start of the second, exchange time, UTC',
    `close` Float64 COMMENT 'last price by sequence, quote units',
    `log_return_1s` Nullable(Float64) COMMENT 'log of close over the price 1s before; NULL when that is older than 60 s',
    `log_return_5s` Nullable(Float64) COMMENT 'log of close over the price 5s before; NULL when that is older than 60 s',
    `log_return_10s` Nullable(Float64) COMMENT 'log of close over the price 10s before; NULL when that is older than 60 s',
    `log_return_30s` Nullable(Float64) COMMENT 'log of close over the price 30s before; NULL when that is older than 60 s',
    `log_return_1m` Nullable(Float64) COMMENT 'log of close over the price 1m before; NULL when that is older than 60 s',
    `log_return_5m` Nullable(Float64) COMMENT 'log of close over the price 5m before; NULL when that is older than 60 s',
    `log_return_15m` Nullable(Float64) COMMENT 'log of close over the price 15m before; NULL when that is older than 60 s',
    `log_return_30m` Nullable(Float64) COMMENT 'log of close over the price 30m before; NULL when that is older than 60 s',
    `log_return_60m` Nullable(Float64) COMMENT 'log of close over the price 60m before; NULL when that is older than 60 s',
    `available_at` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the second is not over), gap (a hole in the trades of the last hour) or warmup (no price 60 minutes before)'
)
COMMENT 'log returns over clock horizons, by second'
AS SELECT *
FROM `marketprism_features.returns_1s_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2105-01-01 00:00:00')
