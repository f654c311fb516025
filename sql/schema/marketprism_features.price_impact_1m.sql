CREATE VIEW marketprism_features.price_impact_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `kyle_lambda` Nullable(Float64) COMMENT '(close - open) / signed volume, quote units per base unit; NULL without signed volume',
    `amihud_illiq` Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    `effective_spread_buy` Nullable(Float64) COMMENT 'what taker buys paid over the mid, 2 (price - mid) / mid weighed by mid * quantity, basis points',
    `effective_spread_sell` Nullable(Float64) COMMENT 'what taker sells paid under the mid, 2 (mid - price) / mid weighed by mid * quantity, basis points',
    `signed_volume` Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    `price_change` Decimal(38, 12) COMMENT 'close - open, quote units',
    `trades` UInt64 COMMENT 'number of trades',
    `quoted_trades` UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'Kyle lambda, Amihud illiquidity and effective spread by side, by minute'
AS SELECT *
FROM `marketprism_features.price_impact_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
