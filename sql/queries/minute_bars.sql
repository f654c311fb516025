-- name:      minute_bars
-- purpose:   one-minute bars of the last hour with order flow and cumulative volume delta
-- grain:     one row per (exchange, market_type, symbol, ts_1m)
-- inputs:    marketprism_features.trades_1m
-- time:      ts_1m
-- freshness: on insert
-- lookahead: none
-- source:    trades_1m
SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    open,
    high,
    low,
    close,
    total_volume,
    flow_imbalance,
    sum(buy_volume - sell_volume) OVER (
        PARTITION BY exchange, market_type, symbol ORDER BY ts_1m ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS cvd
FROM marketprism_features.trades_1m
WHERE ts_1m >= now('UTC') - INTERVAL 1 HOUR
ORDER BY exchange, market_type, symbol, ts_1m
