-- name:      footprint_clusters
-- purpose:   what the job of this name reads: price bins of the last hours' complete minutes that had come by then
-- grain:     one row per (exchange, market_type, symbol, px)
-- inputs:    marketprism_features.footprint_1m, marketprism_features.trades_1m, marketprism_features.gap_minutes
-- time:      last_ts
SELECT
    toString(f.exchange) AS exchange, toString(f.market_type) AS market_type, toString(f.symbol) AS symbol,
    f.px AS px, toFloat64(sum(f.total_vol)) AS volume, toFloat64(sum(f.delta)) AS delta,
    toDateTime64(max(f.ts_1m) + 60, 3, 'UTC') AS last_ts,
    toBool(max(g.of_type != '')) AS has_gap
FROM marketprism_features.footprint_1m AS f
INNER JOIN marketprism_features.trades_1m AS t
    ON t.exchange = f.exchange AND t.market_type = f.market_type AND t.symbol = f.symbol AND t.ts_1m = f.ts_1m
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = f.exchange AND g.market_type = f.market_type AND g.symbol = f.symbol AND g.ts_1m = f.ts_1m
WHERE f.ts_1m >= {at:DateTime64(3)} - toIntervalHour({hours:UInt32}) AND f.ts_1m <= {at:DateTime64(3)}
    AND t.available_at <= {at:DateTime64(3)}
GROUP BY f.exchange, f.market_type, f.symbol, f.tick_size, f.px_bin, f.px
HAVING volume > 0 AND px > 0
ORDER BY exchange, market_type, symbol, px
