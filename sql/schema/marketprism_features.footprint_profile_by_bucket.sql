CREATE VIEW marketprism_features.footprint_profile_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `poc_px` Float64 COMMENT 'price bin with the largest volume (the lowest of equals), quote units',
    `poc_vol` Decimal(38, 12) COMMENT 'volume at the point of control, base units',
    `value_area_low` Float64 COMMENT 'lowest price of the 70 % value area, quote units',
    `value_area_high` Float64 COMMENT 'highest price of the 70 % value area, quote units',
    `value_area_vol` Decimal(38, 12) COMMENT 'volume inside the value area, base units',
    `total_vol` Decimal(38, 12) COMMENT 'volume of the whole bucket, base units',
    `bins` UInt64 COMMENT 'price bins with a trade',
    `available_at` Nullable(DateTime64(6, 'UTC')) COMMENT 'when the close became knowable, UTC; NULL while open; as-of reads use it',
    `quality` LowCardinality(String) COMMENT 'that of the bucket in unified_buckets: ok, partial (open) or gap'
)
COMMENT 'point of control and 70 % value area of each bucket'
AS SELECT
    p.exchange AS exchange,
    p.market_type AS market_type,
    p.symbol AS symbol,
    p.bucket_id AS bucket_id,
    p.poc_px AS poc_px,
    p.poc_vol AS poc_vol,
    p.value_area_low AS value_area_low,
    p.value_area_high AS value_area_high,
    p.value_area_vol AS value_area_vol,
    p.total_vol AS total_vol,
    p.bins AS bins,
    u.available_at AS available_at,
    u.quality AS quality
FROM `marketprism_features.bucket_profile_between`(from_bucket = 0, to_bucket = 99999999999999) AS p
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        available_at,
        quality
    FROM marketprism_features.unified_buckets
) AS u ON (u.exchange = p.exchange) AND (u.market_type = p.market_type) AND (u.symbol = p.symbol) AND (u.bucket_id = p.bucket_id)
