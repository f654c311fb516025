-- name:      buckets_of_the_leader
-- purpose:   the last hour of a symbol by the bucket edges of the venue that leads its instrument today
-- grain:     one row per closed bucket of the leader in which the symbol traded
-- inputs:    marketprism_features.aligned_buckets_between, marketprism_features.reference_venues, marketprism_hot.instruments
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    the leader of a day is known before it begins: reference_venues looks at the day before
-- Another symbol: change its name in both places. Without a leader (nothing traded yesterday, no metadata) there is no row.
WITH
    (
        SELECT (reference_exchange, reference_market_type, reference_symbol)
        FROM marketprism_features.reference_venues
        WHERE day = toDate(now('UTC')) AND (market_type, canonical) IN (
            SELECT market_type, canonical FROM marketprism_hot.instruments
            WHERE exchange = 'binance' AND market_type = 'spot' AND symbol = 'BTCUSDT')
        LIMIT 1
    ) AS leader
SELECT leader.1 AS reference_exchange, leader.3 AS reference_symbol, symbol, bucket_id, bucket_ts_end, available_at, trades, vol, vwap
FROM marketprism_features.aligned_buckets_between(
    exchange = 'binance', market_type = 'spot', symbol = 'BTCUSDT',
    reference_exchange = leader.1, reference_market_type = leader.2, reference_symbol = leader.3,
    from_ts = now64(3, 'UTC') - INTERVAL 1 HOUR, to_ts = now64(3, 'UTC')
)
ORDER BY bucket_id DESC
LIMIT 20
