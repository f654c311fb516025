CREATE VIEW marketprism_features.trade_flow_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `trades` UInt64 COMMENT 'number of trades',
    `flow_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    `signed_volume` Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    `cvd` Decimal(38, 12) COMMENT 'cumulative signed volume since midnight UTC, base units',
    `cvd_gaps` UInt64 COMMENT 'minutes of the day so far that an unrepaired hole in the trades touches: 0 where cvd is exact',
    `vwap` Nullable(Float64) COMMENT 'quote amount / volume, quote units',
    `avg_trade_size` Float64 COMMENT 'volume per trade, base units',
    `avg_trade_quote` Float64 COMMENT 'quote amount per trade, quote units',
    `trades_per_s` Float64 COMMENT 'trades per second of the minute',
    `quote_per_s` Float64 COMMENT 'quote amount per second of the minute',
    `direction_persistence` Nullable(Float64) COMMENT 'share of trades with the taker side of the trade before them, 0 to 1; NULL for one trade',
    `large_buy_quote` Decimal(76, 24) COMMENT 'quote amount of taker buys of 50,000 or more',
    `large_sell_quote` Decimal(76, 24) COMMENT 'quote amount of taker sells of 50,000 or more',
    `retail_buy_quote` Decimal(76, 24) COMMENT 'quote amount of taker buys of at most 1,000',
    `retail_sell_quote` Decimal(76, 24) COMMENT 'quote amount of taker sells of at most 1,000',
    `large_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of large trades\' quote amounts; NULL without any',
    `retail_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of retail trades\' quote amounts; NULL without any',
    `buy_hhi` Nullable(Float64) COMMENT 'concentration of taker buys by quote amount, 1 / trades to 1; NULL without a buy',
    `sell_hhi` Nullable(Float64) COMMENT 'concentration of taker sells by quote amount, 1 / trades to 1; NULL without a sell',
    `tw_cvd` Float64 COMMENT 'time-weighted mean of the cumulative signed volume within the minute, base units',
    `signed_sqrt_quote` Float64 COMMENT 'sum of sign * sqrt(quote amount): the order flow of Hasbrouck\'s lambda',
    `roll_spread_bps` Nullable(Float64) COMMENT '2 sqrt(-cov of successive price changes) over VWAP, basis points; 0 for a positive covariance, NULL below 4 trades',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the minute is not over) or gap (a hole in the trades touches it)'
)
COMMENT 'who trades how, by minute'
AS SELECT *
FROM `marketprism_features.trade_flow_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
