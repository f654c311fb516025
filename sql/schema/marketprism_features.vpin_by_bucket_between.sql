CREATE VIEW marketprism_features.vpin_by_bucket_between
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
FROM `marketprism_features.bucket_impact_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0)
