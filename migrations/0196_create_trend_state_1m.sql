-- name:      trend_state_1m
-- purpose:   causal trend state by minute, with hysteresis and a neutral gate: what stands in for trend_state_by_bucket
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.returns_1m_between
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism: as trend_state_by_bucket, on the momentum over 30 minutes
--
-- Enters a trend at 1.5, stays in it down to 0.5. What it was before is looked for in the two hours before: a state that held
-- for longer without entering again is taken as flat.
-- Parameters from_ts and to_ts of trend_state_1m_between bound the minutes; a caller starts 185 minutes early.
CREATE OR REPLACE VIEW marketprism_features.trend_state_1m_between
COMMENT 'causal trend state by minute (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    momentum_30,
    multiIf(zone = 'up' OR (zone = 'hold up' AND before_hold_up = 'up'), 'up', zone = 'down' OR (zone = 'hold down' AND before_hold_down = 'down'), 'down', 'flat') AS trend_state,
    known_at AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', grade = 'gap', 'gap', momentum_30 IS NULL, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, ts_1m, momentum_30, zone, grade,
        anyLastIf(zone, zone != 'hold up') OVER two_hours AS before_hold_up,
        anyLastIf(zone, zone != 'hold down') OVER two_hours AS before_hold_down,
        max(known) OVER two_hours AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, ts_1m, momentum_30,
            toUnixTimestamp(ts_1m) AS at_s,
            quality AS grade,
            available_at AS known,
            multiIf(momentum_30 >= 1.5, 'up', momentum_30 <= -1.5, 'down', momentum_30 >= 0.5, 'hold up', momentum_30 <= -0.5, 'hold down', 'neutral') AS zone
        FROM marketprism_features.returns_1m_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
    )
    WINDOW two_hours AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s RANGE BETWEEN 7200 PRECEDING AND CURRENT ROW)
);

CREATE OR REPLACE VIEW marketprism_features.trend_state_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    momentum_30 Nullable(Float64) COMMENT 'log return over 30 minutes over the root of the squared returns of those minutes',
    trend_state LowCardinality(String) COMMENT 'up, flat or down',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (rows may still be on their way), gap (a hole in the trades of the last hour) or warmup (no momentum yet)'
)
COMMENT 'causal trend state by minute'
AS SELECT *
FROM marketprism_features.trend_state_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');
