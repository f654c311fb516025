CREATE MATERIALIZED VIEW marketprism_features.recent_buckets
REFRESH EVERY 1 SECOND
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_start` DateTime64(3, 'UTC') COMMENT 'earliest exchange time of a trade of the bucket, UTC',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `available_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last close of its windows became knowable, UTC; as-of reads use it',
    `trades` UInt64 COMMENT 'number of trades',
    `buy_trades` UInt64 COMMENT 'number of taker buys',
    `vol` Decimal(38, 12) COMMENT 'volume, base units',
    `buy_vol` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `sell_vol` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `notional` Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    `buy_notional` Decimal(76, 24) COMMENT 'sum of price * quantity of taker buys, quote units',
    `vwap` Nullable(Float64) COMMENT 'notional / volume, quote units',
    `open` Decimal(38, 12) COMMENT 'first price by sequence, quote units',
    `high` Decimal(38, 12) COMMENT 'highest price, quote units',
    `low` Decimal(38, 12) COMMENT 'lowest price, quote units',
    `close` Decimal(38, 12) COMMENT 'last price by sequence, quote units',
    `cut_trigger` LowCardinality(String) COMMENT 'volume, count, event, time or day',
    `signed_volume` Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    `price_change` Decimal(38, 12) COMMENT 'close - open, quote units',
    `kyle_lambda` Nullable(Float64) COMMENT 'price_change / signed_volume; NULL without signed volume',
    `kyle_lambda_ols` Nullable(Float64) COMMENT 'slope of price_change on signed_volume over 50 closed buckets; NULL below 50',
    `kyle_r2` Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    `amihud_illiq` Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    `vpin` Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume over 50 closed buckets; NULL below 50',
    `imbalance` Nullable(Float64) COMMENT '|buy - sell| / volume, 0 to 1',
    `window_buckets` UInt64 COMMENT 'closed buckets in the window, this one included; at most 50',
    `quality` LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets) or gap (the window touches a hole in the trades)'
)
ENGINE = Memory
DEFINER = default SQL SECURITY DEFINER
COMMENT 'the last 120 closed buckets of every symbol; refreshed every second'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_start,
    bucket_ts_end,
    available_at,
    trades,
    buy_trades,
    vol,
    buy_vol,
    sell_vol,
    notional,
    buy_notional,
    vwap,
    open,
    high,
    low,
    close,
    cut_trigger,
    signed_volume,
    price_change,
    kyle_lambda,
    kyle_lambda_ols,
    kyle_r2,
    amihud_illiq,
    vpin,
    imbalance,
    window_buckets,
    window_quality AS quality
FROM
(
    SELECT * EXCEPT quality
    FROM `marketprism_features.bucket_impact_between`(from_bucket = (
        SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000)
        FROM marketprism_features.bucket_flow
    ), to_bucket = 99999999999999, newest = 180)
)
ORDER BY
    exchange ASC,
    market_type ASC,
    symbol ASC,
    bucket_id DESC
LIMIT 120 BY
    exchange,
    market_type,
    symbol
SETTINGS max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0, optimize_and_compare_chain = 0
