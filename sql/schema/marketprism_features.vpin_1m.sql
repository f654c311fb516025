CREATE VIEW marketprism_features.vpin_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `vpin_approx` Nullable(Float64) COMMENT '|buy - sell| / volume of the minute, 0 to 1',
    `vpin_approx_5m` Nullable(Float64) COMMENT 'mean of vpin_approx over this and the four minutes before; NULL unless all five traded',
    `buy_volume` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `sell_volume` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `total_volume` Decimal(38, 12) COMMENT 'volume, base units',
    `window_minutes` UInt64 COMMENT 'minutes with a trade in the window, this one included',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'approximate VPIN by minute and its mean over five minutes'
AS SELECT *
FROM `marketprism_features.vpin_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
