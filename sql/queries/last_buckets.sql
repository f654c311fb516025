-- name:      last_buckets
-- purpose:   the last twenty buckets of one symbol with what closed them and every feature
-- grain:     one row per bucket
-- inputs:    marketprism_features.unified_features_last
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    unified_features_last
SELECT
    bucket_id,
    bucket_ts_start,
    bucket_ts_end,
    cut_trigger,
    trades,
    vol,
    close,
    vpin,
    kyle_lambda,
    mid,
    quality
FROM marketprism_features.unified_features_last(exchange = 'binance', market_type = 'spot', symbol = 'BTCUSDT', n = 20)
