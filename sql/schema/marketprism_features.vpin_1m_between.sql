CREATE VIEW marketprism_features.vpin_1m_between
COMMENT 'approximate VPIN by minute and its mean over five minutes (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    toFloat64(abs(buy_volume - sell_volume)) / nullIf(toFloat64(total_volume), 0) AS vpin_approx,
    if(window_minutes = 5, window_sum / 5, NULL) AS vpin_approx_5m,
    buy_volume,
    sell_volume,
    total_volume,
    window_minutes,
    known_at AS available_at,
    multiIf(now64(6, 'UTC') < (known_at + toIntervalSecond(3)), 'partial', window_gaps > 0, 'gap', window_minutes < 5, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        t.exchange AS exchange,
        t.market_type AS market_type,
        t.symbol AS symbol,
        t.ts_1m AS ts_1m,
        t.buy_volume AS buy_volume,
        t.sell_volume AS sell_volume,
        t.total_volume AS total_volume,
        toFloat64(abs(t.buy_volume - t.sell_volume)) / nullIf(toFloat64(t.total_volume), 0) AS toxicity,
        arraySum(groupArray(toxicity) OVER last_5) AS window_sum,
        count(toxicity) OVER last_5 AS window_minutes,
        max(t.available_at) OVER last_5 AS known_at,
        countIf(g.of_type != '') OVER last_5 AS window_gaps
    FROM
    (
        SELECT *
        FROM marketprism_features.trades_1m
        WHERE (ts_1m >= {from_ts:DateTime64(3)}) AND (ts_1m <= {to_ts:DateTime64(3)})
    ) AS t
    LEFT JOIN
    (
        SELECT *
        FROM marketprism_features.gap_minutes
        WHERE of_type = 'trades'
    ) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.ts_1m = t.ts_1m)
    WINDOW last_5 AS (PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY toUnixTimestamp(t.ts_1m) ASC RANGE BETWEEN 240 PRECEDING AND CURRENT ROW)
)
