CREATE VIEW marketprism_features.returns_1s_between
COMMENT 'log returns over clock horizons, by second (parameters from_ts, to_ts)'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1s AS ts_1s,
    s.price AS close,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 61 PRECEDING AND 1 PRECEDING), 0)) AS log_return_1s,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 65 PRECEDING AND 5 PRECEDING), 0)) AS log_return_5s,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 70 PRECEDING AND 10 PRECEDING), 0)) AS log_return_10s,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 90 PRECEDING AND 30 PRECEDING), 0)) AS log_return_30s,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 120 PRECEDING AND 60 PRECEDING), 0)) AS log_return_1m,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 360 PRECEDING AND 300 PRECEDING), 0)) AS log_return_5m,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 960 PRECEDING AND 900 PRECEDING), 0)) AS log_return_15m,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 1860 PRECEDING AND 1800 PRECEDING), 0)) AS log_return_30m,
    log(s.price / nullIf(anyLast(s.price) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 3660 PRECEDING AND 3600 PRECEDING), 0)) AS log_return_60m,
    greatest(max(s.receipt) OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 3660 PRECEDING AND CURRENT ROW), toDateTime64(s.ts_1s + 1, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', countIf(g.of_type != '') OVER (PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) ASC RANGE BETWEEN 3660 PRECEDING AND CURRENT ROW) > 0, 'gap', log_return_60m IS NULL, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1s,
        toFloat64(argMaxMerge(close)) AS price,
        max(last_received_at) AS receipt
    FROM marketprism_features.flow_1s
    WHERE (ts_1s >= {from_ts:DateTime64(3)}) AND (ts_1s <= {to_ts:DateTime64(3)})
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1s
) AS s
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'trades'
) AS g ON (g.exchange = s.exchange) AND (g.market_type = s.market_type) AND (g.symbol = s.symbol) AND (g.ts_1m = toStartOfMinute(s.ts_1s))
