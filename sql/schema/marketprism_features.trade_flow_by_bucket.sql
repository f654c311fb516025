CREATE VIEW marketprism_features.trade_flow_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `trades` UInt64 COMMENT 'number of trades',
    `flow_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    `signed_volume` Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    `cvd` Decimal(38, 12) COMMENT 'cumulative signed volume since midnight UTC, base units',
    `cvd_gaps` UInt64 COMMENT 'buckets of the day so far that an unrepaired hole in the trades touches: 0 where cvd is exact',
    `vwap` Nullable(Float64) COMMENT 'quote amount / volume, quote units',
    `avg_trade_size` Float64 COMMENT 'volume per trade, base units',
    `avg_trade_quote` Float64 COMMENT 'quote amount per trade, quote units',
    `trades_per_s` Nullable(Float64) COMMENT 'trades per second of the bucket\'s own length; NULL when that is 0',
    `quote_per_s` Nullable(Float64) COMMENT 'quote amount per second of the bucket\'s own length; NULL when that is 0',
    `direction_persistence` Nullable(Float64) COMMENT 'share of trades with the taker side of the trade before them, 0 to 1; NULL for one trade',
    `large_buy_quote` Decimal(76, 24) COMMENT 'quote amount of taker buys of 50,000 or more',
    `large_sell_quote` Decimal(76, 24) COMMENT 'quote amount of taker sells of 50,000 or more',
    `retail_buy_quote` Decimal(76, 24) COMMENT 'quote amount of taker buys of at most 1,000',
    `retail_sell_quote` Decimal(76, 24) COMMENT 'quote amount of taker sells of at most 1,000',
    `large_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of large trades\' quote amounts; NULL without any',
    `retail_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of retail trades\' quote amounts; NULL without any',
    `buy_hhi` Nullable(Float64) COMMENT 'concentration of taker buys by quote amount, 1 / trades to 1; NULL without a buy',
    `sell_hhi` Nullable(Float64) COMMENT 'concentration of taker sells by quote amount, 1 / trades to 1; NULL without a sell',
    `tw_cvd` Nullable(Float64) COMMENT 'time-weighted mean of the cumulative signed volume within the bucket, base units; NULL for a bucket of no length',
    `signed_sqrt_quote` Float64 COMMENT 'sum of sign * sqrt(quote amount): the order flow of Hasbrouck\'s lambda',
    `roll_spread_bps` Nullable(Float64) COMMENT '2 sqrt(-cov of successive price changes) over VWAP, basis points; 0 for a positive covariance, NULL below 4 trades',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` LowCardinality(String) COMMENT 'ok, or gap (a hole in the trades touches the bucket)'
)
COMMENT 'who trades how, by bucket'
AS SELECT *
FROM `marketprism_features.trade_flow_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00')
