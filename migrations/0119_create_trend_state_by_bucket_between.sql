-- name:      trend_state_by_bucket_between
-- purpose:   up, flat or down: a causal state with hysteresis and a neutral gate, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.returns_by_bucket_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    hysteresis thresholds on momentum_30, whose scale is that of a standard normal times sqrt(30) at most
--
-- Momentum of 1.5 or more opens up, -1.5 or less opens down; a trend lives while its momentum keeps its sign and 0.5 of
-- size, and the gate below 0.5 is neutral. So a state is that of the last bucket before the run of buckets in between
-- (hold): a look back over each run, and no loop.
--
-- Parameters as in unified_buckets_between; the windows of the first buckets of a range reach no further back than it.
-- A trend that 120 buckets have not confirmed is over: the look back is bounded, so that a range can be read by itself.
CREATE VIEW IF NOT EXISTS marketprism_features.trend_state_by_bucket_between
COMMENT 'causal trend state by bucket (parameters from_bucket, to_bucket, newest)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    momentum_30,
    multiIf(
        zone = 'up' OR (zone = 'hold up' AND before_hold_up = 'up'), 'up',
        zone = 'down' OR (zone = 'hold down' AND before_hold_down = 'down'), 'down',
        'flat'
    ) AS trend_state,
    known_at AS available_at,
    multiIf(grade = 'gap', 'gap', momentum_30 IS NULL, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, bucket_ts_end, momentum_30, zone, grade,
        anyLastIf(zone, zone != 'hold up') OVER so_far AS before_hold_up,
        anyLastIf(zone, zone != 'hold down') OVER so_far AS before_hold_down,
        max(known) OVER so_far AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id, bucket_ts_end, momentum_30,
            quality AS grade,
            available_at AS known,
            multiIf(
                momentum_30 >= 1.5, 'up', momentum_30 <= -1.5, 'down',
                momentum_30 >= 0.5, 'hold up', momentum_30 <= -0.5, 'hold down', 'neutral'
            ) AS zone
        FROM marketprism_features.returns_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
    )
    WINDOW so_far AS (
        PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 120 PRECEDING AND CURRENT ROW
    )
);

CREATE OR REPLACE VIEW marketprism_features.trend_state_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    momentum_30 Nullable(Float64) COMMENT 'log return of 30 buckets over the root of their squared returns',
    trend_state String COMMENT 'up, flat or down',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, warmup (fewer than 31 closed buckets) or gap (a bucket of the window touches a hole)'
)
COMMENT 'causal trend state by bucket'
AS SELECT *
FROM marketprism_features.trend_state_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, newest = 0);
