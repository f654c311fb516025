-- name:      rv_decomposition_1m_between
-- purpose:   the minute's variance split into a continuous part and jumps, from one-second prices, for a range of time
-- grain:     one row per (exchange, market_type, symbol, ts_1m)
-- inputs:    marketprism_features.flow_1s, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    realised variance less bipower variance (Barndorff-Nielsen and Shephard, 2004)
--
-- A minute without two returns has no rv_jump: greatest() passes over NULL, and no variance would read as no jump.
-- Parameters from_ts and to_ts bound the exchange time, from the start of a minute.
-- What was received is on its way for a moment: the clock alone closes nothing before 3 s have passed.
CREATE OR REPLACE VIEW marketprism_features.rv_decomposition_1m_between
COMMENT 'realised variance by minute, and its jump part (parameters from_ts, to_ts)'
AS SELECT
    r.exchange AS exchange,
    r.market_type AS market_type,
    r.symbol AS symbol,
    r.ts_1m AS ts_1m,
    if(n_returns >= 2, arraySum(arrayMap(x -> x * x, r.steps)), NULL) AS rv_total,
    if(rv_total IS NULL, NULL, greatest(rv_total - bipower, 0)) AS rv_jump,
    least(rv_total, bipower) AS rv_continuous,
    rv_jump / nullIf(rv_total, 0) AS jump_ratio,
    if(n_returns >= 2, pi() / 2 * arraySum(arrayMap((x, y) -> abs(x * y), arrayPopFront(r.steps), arrayPopBack(r.steps))), NULL) AS bipower,
    length(r.steps) AS n_returns,
    greatest(r.known_at, toDateTime64(r.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', g.of_type != '', 'gap', n_returns < 2, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(ts_1s) AS ts_1m,
        arrayMap(step -> step.2, arraySort(groupArrayIf((ts_1s, log(price / previous)), previous > 0 AND price > 0 AND ts_1s - previous_ts <= 60))) AS steps,
        max(known) AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, ts_1s, price,
            lagInFrame(price) OVER before AS previous,
            lagInFrame(ts_1s) OVER before AS previous_ts,
            max(receipt) OVER before AS known
        FROM
        (
            SELECT
                exchange, market_type, symbol, ts_1s,
                toFloat64(argMaxMerge(close)) AS price,
                max(last_received_at) AS receipt
            FROM marketprism_features.flow_1s
            WHERE ts_1s BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)}
            GROUP BY exchange, market_type, symbol, ts_1s
        )
        WINDOW before AS (PARTITION BY exchange, market_type, symbol ORDER BY ts_1s ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    GROUP BY exchange, market_type, symbol, ts_1m
) AS r
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = r.exchange AND g.market_type = r.market_type AND g.symbol = r.symbol AND g.ts_1m = r.ts_1m
WHERE r.ts_1m >= {from_ts:DateTime64(3)};
