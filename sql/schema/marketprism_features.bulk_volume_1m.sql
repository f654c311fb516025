CREATE VIEW marketprism_features.bulk_volume_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `bvc_buy_volume` Nullable(Float64) COMMENT 'volume classified as bought, base units; NULL below 20 changes in the 50 minutes before',
    `bvc_sell_volume` Nullable(Float64) COMMENT 'volume classified as sold, base units',
    `bvc_imbalance` Nullable(Float64) COMMENT '(bought - sold) / volume by classification, -1 to 1',
    `vpin_bvc` Nullable(Float64) COMMENT 'sum of |bought - sold| / sum of volume over the classified minutes of the last 50; NULL below 20',
    `window_shares` UInt64 COMMENT 'classified minutes of the last 50, this one included',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (rows may still be on their way), gap (a hole in the trades touches the windows) or warmup (below 20 classified minutes)'
)
COMMENT 'bulk volume classification by minute'
AS SELECT *
FROM `marketprism_features.bulk_volume_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
