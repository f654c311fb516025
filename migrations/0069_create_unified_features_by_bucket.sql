-- name:      unified_features_by_bucket
-- purpose:   every bucket feature side by side
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.unified_features_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    the inputs' own
CREATE VIEW IF NOT EXISTS marketprism_features.unified_features_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_start DateTime64(3, 'UTC') COMMENT 'earliest exchange time of a trade of the bucket, UTC',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    available_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last close of its windows became knowable, UTC; as-of reads use it',
    trades UInt64 COMMENT 'number of trades',
    buy_trades UInt64 COMMENT 'number of taker buys',
    vol Decimal(38, 12) COMMENT 'volume, base units',
    buy_vol Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    sell_vol Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    notional Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    buy_notional Decimal(76, 24) COMMENT 'sum of price * quantity of taker buys, quote units',
    vwap Nullable(Float64) COMMENT 'notional / volume, quote units',
    open Decimal(38, 12) COMMENT 'first price by sequence, quote units',
    high Decimal(38, 12) COMMENT 'highest price, quote units',
    low Decimal(38, 12) COMMENT 'lowest price, quote units',
    close Decimal(38, 12) COMMENT 'last price by sequence, quote units',
    cut_trigger LowCardinality(String) COMMENT 'volume, count, event, time or day',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    price_change Decimal(38, 12) COMMENT 'close - open, quote units',
    kyle_lambda Nullable(Float64) COMMENT 'price_change / signed_volume; NULL without signed volume',
    kyle_lambda_ols Nullable(Float64) COMMENT 'slope of price_change on signed_volume over 50 closed buckets; NULL below 50',
    kyle_r2 Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    amihud_illiq Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    vpin Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume over 50 closed buckets; NULL below 50',
    imbalance Nullable(Float64) COMMENT '|buy - sell| / volume, 0 to 1',
    window_buckets UInt64 COMMENT 'closed buckets in the window, this one included; at most 50',
    mid Nullable(Float64) COMMENT 'mid as of the bucket\'s end, quote units; NULL when the book is older than 60 s or one-sided',
    mid_avg Nullable(Float64) COMMENT 'mean mid over the books published in the bucket, quote units',
    mid_staleness_ms Nullable(Int64) COMMENT 'age of the book behind mid at the bucket\'s end, milliseconds',
    poc_px Nullable(Float64) COMMENT 'price bin with the largest volume (the lowest of equals), quote units',
    value_area_low Nullable(Float64) COMMENT 'lowest price of the 70 % value area, quote units',
    value_area_high Nullable(Float64) COMMENT 'highest price of the 70 % value area, quote units',
    range_bps Nullable(Float64) COMMENT '(high - low) / open * 10000, basis points',
    quality LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets), gap (the window touches a hole in the trades) or stale (no book within 3 s of the end)'
)
COMMENT 'every bucket feature side by side'
AS SELECT *
FROM marketprism_features.unified_features_between(from_bucket = 0, to_bucket = 99999999999999, newest = 0);
