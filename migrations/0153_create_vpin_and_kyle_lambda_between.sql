-- name:      vpin_and_kyle_lambda_between
-- purpose:   VPIN, Kyle lambda and Amihud of a range of buckets, so that a read of a day does not read the history
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.bucket_impact_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    vpin_by_bucket's and kyle_lambda_by_bucket's own
--
-- vpin_by_bucket and kyle_lambda_by_bucket are now their range forms over all of time.
--
-- Parameters from_bucket and to_bucket bound the ids. Windows reach no further back than the range: a caller starts 50
-- buckets early.
CREATE VIEW IF NOT EXISTS marketprism_features.vpin_by_bucket_between
COMMENT 'VPIN over 50 closed buckets (parameters from_bucket, to_bucket)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    available_at,
    vpin,
    imbalance,
    buy_vol AS buy_volume,
    sell_vol AS sell_volume,
    vol AS total_volume,
    window_buckets,
    window_quality AS quality
FROM marketprism_features.bucket_impact_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0);

CREATE VIEW IF NOT EXISTS marketprism_features.kyle_lambda_by_bucket_between
COMMENT 'Kyle lambda and Amihud illiquidity by bucket (parameters from_bucket, to_bucket)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    available_at,
    kyle_lambda,
    kyle_lambda_ols,
    kyle_r2,
    amihud_illiq,
    signed_volume,
    price_change,
    window_buckets,
    window_quality AS quality
FROM marketprism_features.bucket_impact_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0);

CREATE OR REPLACE VIEW marketprism_features.vpin_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    available_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last close of the window became knowable, UTC; as-of reads use it',
    vpin Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume over 50 closed buckets, 0 to 1; NULL below 50',
    imbalance Nullable(Float64) COMMENT '|buy - sell| / volume of this bucket, 0 to 1',
    buy_volume Decimal(38, 12) COMMENT 'volume of taker buys of this bucket, base units',
    sell_volume Decimal(38, 12) COMMENT 'volume of taker sells of this bucket, base units',
    total_volume Decimal(38, 12) COMMENT 'volume of this bucket, base units',
    window_buckets UInt64 COMMENT 'closed buckets in the window, this one included; at most 50',
    quality LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'VPIN over 50 closed buckets'
AS SELECT *
FROM marketprism_features.vpin_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999);

CREATE OR REPLACE VIEW marketprism_features.kyle_lambda_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    available_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last close of the window became knowable, UTC; as-of reads use it',
    kyle_lambda Nullable(Float64) COMMENT '(close - open) / signed volume, quote units per base unit; NULL without signed volume',
    kyle_lambda_ols Nullable(Float64) COMMENT 'slope of close - open on signed volume over 50 closed buckets; NULL below 50',
    kyle_r2 Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    amihud_illiq Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume of this bucket, base units',
    price_change Decimal(38, 12) COMMENT 'close - open of this bucket, quote units',
    window_buckets UInt64 COMMENT 'closed buckets in the window, this one included; at most 50',
    quality LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'Kyle lambda (ratio and regression over 50 closed buckets) and Amihud illiquidity'
AS SELECT *
FROM marketprism_features.kyle_lambda_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999);
