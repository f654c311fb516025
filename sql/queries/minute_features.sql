-- name:      minute_features
-- purpose:   flow, toxicity, impact and variance of the last hour side by side, minute by minute: the time-bucket fallback
-- grain:     one row per (exchange, market_type, symbol, ts_1m)
-- inputs:    marketprism_features.trade_flow_1m, marketprism_features.vpin_1m, marketprism_features.price_impact_1m, marketprism_features.rv_decomposition_1m
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    the inputs' own
SELECT
    f.exchange AS exchange,
    f.market_type AS market_type,
    f.symbol AS symbol,
    f.ts_1m AS ts_1m,
    f.flow_imbalance AS flow_imbalance,
    f.direction_persistence AS direction_persistence,
    v.vpin_approx_5m AS vpin_approx_5m,
    i.kyle_lambda AS kyle_lambda,
    i.effective_spread_buy AS effective_spread_buy,
    r.rv_total AS rv_total,
    r.jump_ratio AS jump_ratio,
    v.quality AS quality
FROM marketprism_features.trade_flow_1m AS f
INNER JOIN marketprism_features.vpin_1m AS v USING (exchange, market_type, symbol, ts_1m)
INNER JOIN marketprism_features.price_impact_1m AS i USING (exchange, market_type, symbol, ts_1m)
INNER JOIN marketprism_features.rv_decomposition_1m AS r USING (exchange, market_type, symbol, ts_1m)
WHERE f.symbol = 'BTCUSDT' AND f.ts_1m >= now() - INTERVAL 1 HOUR
ORDER BY exchange, market_type, ts_1m;
