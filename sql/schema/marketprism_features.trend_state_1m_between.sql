CREATE VIEW marketprism_features.trend_state_1m_between
COMMENT 'causal trend state by minute (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    momentum_30,
    multiIf((zone = 'up') OR ((zone = 'hold up') AND (before_hold_up = 'up')), 'up', (zone = 'down') OR ((zone = 'hold down') AND (before_hold_down = 'down')), 'down', 'flat') AS trend_state,
    known_at AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', grade = 'gap', 'gap', momentum_30 IS NULL, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1m,
        momentum_30,
        zone,
        grade,
        anyLastIf(zone, zone != 'hold up') OVER two_hours AS before_hold_up,
        anyLastIf(zone, zone != 'hold down') OVER two_hours AS before_hold_down,
        max(known) OVER two_hours AS known_at
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m,
            momentum_30,
            toUnixTimestamp(ts_1m) AS at_s,
            quality AS grade,
            available_at AS known,
            multiIf(momentum_30 >= 1.5, 'up', momentum_30 <= -1.5, 'down', momentum_30 >= 0.5, 'hold up', momentum_30 <= -0.5, 'hold down', 'neutral') AS zone
        FROM `marketprism_features.returns_1m_between`(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
    )
    WINDOW two_hours AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 7200 PRECEDING AND CURRENT ROW)
)
