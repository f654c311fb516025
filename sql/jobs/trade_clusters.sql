-- name:      trade_clusters
-- purpose:   what the job of this name reads: trades of the last seconds that had come by then
-- grain:     one row per trade
-- inputs:    marketprism_features.all_trades, marketprism_features.gap_minutes
-- time:      at_ms
-- leak-ok: unfinished-period: of the minute only whether it has a hole, which becomes the quality of the job's row
SELECT
    toString(t.exchange) AS exchange, toString(t.market_type) AS market_type, toString(t.symbol) AS symbol,
    toUnixTimestamp64Milli(t.timestamp) AS at_ms, toFloat64(t.price) AS price, toFloat64(t.quantity) AS quantity,
    toBool(t.side = 'buy') AS is_buy, toBool(g.of_type != '') AS has_gap
FROM marketprism_features.all_trades AS t
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol
    AND g.ts_1m = toStartOfMinute(toDateTime(t.timestamp, 'UTC'))
WHERE t.bucket_id != 0 AND t.price > 0 AND t.quantity > 0
    AND t.timestamp > {at:DateTime64(3)} - toIntervalSecond({seconds:UInt32})
    AND t.timestamp <= {at:DateTime64(3)} AND t.received_at <= {at:DateTime64(6)}
ORDER BY exchange, market_type, symbol, t.sequence
