CREATE VIEW marketprism_features.trend_state_by_bucket_between
COMMENT 'causal trend state by bucket (parameters from_bucket, to_bucket, newest)'
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    momentum_30,
    multiIf((zone = 'up') OR ((zone = 'hold up') AND (before_hold_up = 'up')), 'up', (zone = 'down') OR ((zone = 'hold down') AND (before_hold_down = 'down')), 'down', 'flat') AS trend_state,
    known_at AS available_at,
    multiIf(grade = 'gap', 'gap', momentum_30 IS NULL, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        bucket_ts_end,
        momentum_30,
        zone,
        grade,
        anyLastIf(zone, zone != 'hold up') OVER so_far AS before_hold_up,
        anyLastIf(zone, zone != 'hold down') OVER so_far AS before_hold_down,
        max(known) OVER so_far AS known_at
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            bucket_ts_end,
            momentum_30,
            quality AS grade,
            available_at AS known,
            multiIf(momentum_30 >= 1.5, 'up', momentum_30 <= -1.5, 'down', momentum_30 >= 0.5, 'hold up', momentum_30 <= -0.5, 'hold down', 'neutral') AS zone
        FROM `marketprism_features.returns_by_bucket_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
    )
    WINDOW so_far AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ASC ROWS BETWEEN 120 PRECEDING AND CURRENT ROW)
)
