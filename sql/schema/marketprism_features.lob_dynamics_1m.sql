CREATE VIEW marketprism_features.lob_dynamics_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `bid_add_rate` Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    `bid_cancel_rate` Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    `bid_net_rate` Nullable(Float64) COMMENT 'bid quantity added less taken away per second, base units',
    `ask_add_rate` Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    `ask_cancel_rate` Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
    `ask_net_rate` Nullable(Float64) COMMENT 'ask quantity added less taken away per second, base units',
    `ofi_l1` Float64 COMMENT 'order flow imbalance at the best level over every update of the minute, base units',
    `ofi_l5` Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5 over every update of the minute, base units',
    `updates` UInt64 COMMENT 'book updates of the minute',
    `books` UInt64 COMMENT 'published books of the minute',
    `observed_s` Float64 COMMENT 'seconds of the minute that the books account for',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the minute is not over, or its books account for less than 54 s of it) or gap (an unrepaired hole touches it)'
)
COMMENT 'rates of added and cancelled liquidity and order flow imbalance, by minute'
AS SELECT *
FROM `marketprism_features.lob_dynamics_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
