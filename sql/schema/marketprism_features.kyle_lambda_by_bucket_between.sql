CREATE VIEW marketprism_features.kyle_lambda_by_bucket_between
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
FROM `marketprism_features.bucket_impact_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0)
