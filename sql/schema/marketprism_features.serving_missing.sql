CREATE MATERIALIZED VIEW marketprism_features.serving_missing
REFRESH EVERY 30 MINUTE
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `served` LowCardinality(String) COMMENT 'bucket or minute',
    `rows_seen` UInt64 COMMENT 'rows of the last hour that were looked at',
    `missing` Array(Tuple(
        feature String,
        share Float64)) COMMENT 'share of them in which the feature is NULL, 0 to 1',
    `updated_at` DateTime64(6, 'UTC') COMMENT 'when this table was refreshed, UTC'
)
ENGINE = Memory
DEFINER = default SQL SECURITY DEFINER
COMMENT 'how often each served feature was missing in the last hour; refreshed every half hour'
AS SELECT
    exchange,
    market_type,
    symbol,
    'bucket' AS served,
    count() AS rows_seen,
    arrayZip(['kyle_lambda', 'amihud_illiq', 'vpin', 'realised_variance', 'bipower_variance', 'jump_share', 'log_return_1', 'log_return_10', 'momentum_10', 'trade_impulse', 'flow_imbalance', 'signed_volume', 'volume', 'trades', 'vwap', 'close', 'trades_per_s', 'direction_persistence', 'mid', 'spread_bps', 'microprice', 'imbalance_1', 'imbalance_5', 'bid_depth_10', 'ask_depth_10', 'effective_spread', 'quoted_spread', 'spread_ratio', 'bid_add_rate', 'bid_cancel_rate', 'bid_net_rate', 'ask_add_rate', 'ask_cancel_rate', 'ask_net_rate', 'ofi_l1'], [toFloat64(countIf(kyle_lambda IS NULL)) / count(), toFloat64(countIf(amihud_illiq IS NULL)) / count(), toFloat64(countIf(vpin IS NULL)) / count(), toFloat64(countIf(realised_variance IS NULL)) / count(), toFloat64(countIf(bipower_variance IS NULL)) / count(), toFloat64(countIf(jump_share IS NULL)) / count(), toFloat64(countIf(log_return_1 IS NULL)) / count(), toFloat64(countIf(log_return_10 IS NULL)) / count(), toFloat64(countIf(momentum_10 IS NULL)) / count(), toFloat64(countIf(trade_impulse IS NULL)) / count(), toFloat64(countIf((signed_volume / nullIf(vol, 0)) IS NULL)) / count(), toFloat64(countIf(signed_volume IS NULL)) / count(), toFloat64(countIf(vol IS NULL)) / count(), toFloat64(countIf(trades IS NULL)) / count(), toFloat64(countIf(vwap IS NULL)) / count(), toFloat64(countIf(close IS NULL)) / count(), toFloat64(countIf(trades_per_s IS NULL)) / count(), toFloat64(countIf(direction_persistence IS NULL)) / count(), toFloat64(countIf(mid IS NULL)) / count(), toFloat64(countIf(spread_bps IS NULL)) / count(), toFloat64(countIf(microprice IS NULL)) / count(), toFloat64(countIf(imbalance_1 IS NULL)) / count(), toFloat64(countIf(imbalance_5 IS NULL)) / count(), toFloat64(countIf(bid_depth_10 IS NULL)) / count(), toFloat64(countIf(ask_depth_10 IS NULL)) / count(), toFloat64(countIf(effective_spread IS NULL)) / count(), toFloat64(countIf(quoted_spread IS NULL)) / count(), toFloat64(countIf(spread_ratio IS NULL)) / count(), toFloat64(countIf(bid_add_rate IS NULL)) / count(), toFloat64(countIf(bid_cancel_rate IS NULL)) / count(), toFloat64(countIf(bid_net_rate IS NULL)) / count(), toFloat64(countIf(ask_add_rate IS NULL)) / count(), toFloat64(countIf(ask_cancel_rate IS NULL)) / count(), toFloat64(countIf(ask_net_rate IS NULL)) / count(), toFloat64(countIf(ofi_l1 IS NULL)) / count()]) AS missing,
    now64(6, 'UTC') AS updated_at
FROM marketprism_features.recent_features
GROUP BY
    exchange,
    market_type,
    symbol
UNION ALL
SELECT
    exchange,
    market_type,
    symbol,
    'minute' AS served,
    count() AS rows_seen,
    arrayZip(['kyle_lambda', 'amihud_illiq', 'vpin', 'realised_variance', 'bipower_variance', 'jump_share', 'log_return_1', 'log_return_10', 'momentum_10', 'trade_impulse', 'flow_imbalance', 'signed_volume', 'volume', 'trades', 'vwap', 'close', 'trades_per_s', 'direction_persistence', 'mid', 'spread_bps', 'microprice', 'imbalance_1', 'imbalance_5', 'bid_depth_10', 'ask_depth_10', 'effective_spread', 'quoted_spread', 'spread_ratio', 'bid_add_rate', 'bid_cancel_rate', 'bid_net_rate', 'ask_add_rate', 'ask_cancel_rate', 'ask_net_rate', 'ofi_l1'], [toFloat64(countIf(kyle_lambda IS NULL)) / count(), toFloat64(countIf(amihud_illiq IS NULL)) / count(), toFloat64(countIf(vpin IS NULL)) / count(), toFloat64(countIf(realised_variance IS NULL)) / count(), toFloat64(countIf(bipower_variance IS NULL)) / count(), toFloat64(countIf(jump_share IS NULL)) / count(), toFloat64(countIf(log_return_1 IS NULL)) / count(), toFloat64(countIf(log_return_10 IS NULL)) / count(), toFloat64(countIf(momentum_10 IS NULL)) / count(), toFloat64(countIf(trade_impulse IS NULL)) / count(), toFloat64(countIf(flow_imbalance IS NULL)) / count(), toFloat64(countIf(signed_volume IS NULL)) / count(), toFloat64(countIf(total_volume IS NULL)) / count(), toFloat64(countIf(trade_count IS NULL)) / count(), toFloat64(countIf(vwap IS NULL)) / count(), toFloat64(countIf(close IS NULL)) / count(), toFloat64(countIf(trades_per_s IS NULL)) / count(), toFloat64(countIf(direction_persistence IS NULL)) / count(), toFloat64(countIf(mid IS NULL)) / count(), toFloat64(countIf(spread_bps IS NULL)) / count(), toFloat64(countIf(microprice IS NULL)) / count(), toFloat64(countIf(imbalance_1 IS NULL)) / count(), toFloat64(countIf(imbalance_5 IS NULL)) / count(), toFloat64(countIf(bid_depth_10 IS NULL)) / count(), toFloat64(countIf(ask_depth_10 IS NULL)) / count(), toFloat64(countIf(effective_spread IS NULL)) / count(), toFloat64(countIf(quoted_spread IS NULL)) / count(), toFloat64(countIf(spread_ratio IS NULL)) / count(), toFloat64(countIf(bid_add_rate IS NULL)) / count(), toFloat64(countIf(bid_cancel_rate IS NULL)) / count(), toFloat64(countIf(bid_net_rate IS NULL)) / count(), toFloat64(countIf(ask_add_rate IS NULL)) / count(), toFloat64(countIf(ask_cancel_rate IS NULL)) / count(), toFloat64(countIf(ask_net_rate IS NULL)) / count(), toFloat64(countIf(ofi_l1 IS NULL)) / count()]) AS missing,
    now64(6, 'UTC') AS updated_at
FROM `marketprism_features.unified_features_1m_between`(from_ts = (
    SELECT toStartOfMinute(max(last_ts)) - toIntervalMinute(130)
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT max(bucket_id) - 2000000
        FROM marketprism_features.bucket_flow
    )
), to_ts = '2200-01-01 00:00:00', since = (
    SELECT toStartOfMinute(max(last_ts)) - toIntervalMinute(61)
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT max(bucket_id) - 2000000
        FROM marketprism_features.bucket_flow
    )
))
WHERE (quality != 'partial') AND (ts_1m >= (
    SELECT toStartOfMinute(max(last_ts)) - toIntervalMinute(60)
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT max(bucket_id) - 2000000
        FROM marketprism_features.bucket_flow
    )
))
GROUP BY
    exchange,
    market_type,
    symbol
SETTINGS max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0
