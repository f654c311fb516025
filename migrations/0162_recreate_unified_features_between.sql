-- name:      unified_features_between
-- purpose:   every bucket feature side by side, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.bucket_impact_between, marketprism_features.mid_by_bucket_between, marketprism_features.footprint_profile_by_bucket
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    the inputs' own
--
-- Parameters as in unified_buckets_between; a caller that bounds from_bucket starts 50 buckets early. available_at is the
-- latest of all inputs: the book behind mid may be received after the bucket has closed.
CREATE OR REPLACE VIEW marketprism_features.unified_features_between
COMMENT 'every bucket feature side by side (parameters from_bucket, to_bucket, newest)'
AS SELECT
    i.exchange AS exchange,
    i.market_type AS market_type,
    i.symbol AS symbol,
    i.bucket_id AS bucket_id,
    i.bucket_ts_start AS bucket_ts_start,
    i.bucket_ts_end AS bucket_ts_end,
    greatest(i.available_at, m.available_at) AS available_at,
    i.trades AS trades,
    i.buy_trades AS buy_trades,
    i.vol AS vol,
    i.buy_vol AS buy_vol,
    i.sell_vol AS sell_vol,
    i.notional AS notional,
    i.buy_notional AS buy_notional,
    i.vwap AS vwap,
    i.open AS open,
    i.high AS high,
    i.low AS low,
    i.close AS close,
    i.cut_trigger AS cut_trigger,
    i.signed_volume AS signed_volume,
    i.price_change AS price_change,
    i.kyle_lambda AS kyle_lambda,
    i.kyle_lambda_ols AS kyle_lambda_ols,
    i.kyle_r2 AS kyle_r2,
    i.amihud_illiq AS amihud_illiq,
    i.vpin AS vpin,
    i.imbalance AS imbalance,
    i.window_buckets AS window_buckets,
    m.mid AS mid,
    m.mid_avg AS mid_avg,
    m.staleness_ms AS mid_staleness_ms,
    if(p.bins = 0, NULL, p.poc_px) AS poc_px,
    if(p.bins = 0, NULL, p.value_area_low) AS value_area_low,
    if(p.bins = 0, NULL, p.value_area_high) AS value_area_high,
    toFloat64(i.high - i.low) / nullIf(toFloat64(i.open), 0) * 10000 AS range_bps,
    multiIf(i.window_quality != 'ok', i.window_quality, m.mid IS NULL OR m.staleness_ms > 3000, 'stale', 'ok') AS quality
FROM marketprism_features.bucket_impact_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS i
LEFT JOIN marketprism_features.mid_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}) AS m
    ON m.exchange = i.exchange AND m.market_type = i.market_type AND m.symbol = i.symbol AND m.bucket_id = i.bucket_id
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.footprint_profile_by_bucket
    WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
) AS p
    ON p.exchange = i.exchange AND p.market_type = i.market_type AND p.symbol = i.symbol AND p.bucket_id = i.bucket_id;
