-- name:      rv_decomposition_1m
-- purpose:   realised variance of each minute, split into jumps and the continuous part
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.flow_1s, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    Barndorff-Nielsen, Shephard (2004): bipower variation without a finite-sample factor, as R highfrequency has it
--
-- Returns are log ratios of the last prices of consecutive seconds that traded; the minute's first return reaches back to
-- the second that traded last before it. A return over more than 60 s is none. Seconds without a trade are no zeros: zeros
-- would starve the bipower variation, and every quiet stretch would look like a jump.
CREATE VIEW IF NOT EXISTS marketprism_features.rv_decomposition_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    rv_total Nullable(Float64) COMMENT 'sum of squared log returns of the minute; NULL below two returns',
    rv_jump Nullable(Float64) COMMENT 'the larger of rv_total - bipower and 0',
    rv_continuous Nullable(Float64) COMMENT 'the smaller of rv_total and bipower',
    jump_ratio Nullable(Float64) COMMENT 'rv_jump / rv_total, 0 to 1',
    bipower Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|',
    n_returns UInt64 COMMENT 'returns of the minute',
    available_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised variance by minute, and its jump part'
AS SELECT
    r.exchange AS exchange,
    r.market_type AS market_type,
    r.symbol AS symbol,
    r.ts_1m AS ts_1m,
    if(n_returns >= 2, arraySum(arrayMap(x -> x * x, r.steps)), NULL) AS rv_total,
    greatest(rv_total - bipower, 0) AS rv_jump,
    least(rv_total, bipower) AS rv_continuous,
    rv_jump / nullIf(rv_total, 0) AS jump_ratio,
    if(n_returns >= 2, pi() / 2 * arraySum(arrayMap((x, y) -> abs(x * y), arrayPopFront(r.steps), arrayPopBack(r.steps))), NULL) AS bipower,
    length(r.steps) AS n_returns,
    greatest(r.known_at, toDateTime64(r.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at, 'partial', g.of_type != '', 'gap', n_returns < 2, 'warmup', 'ok') AS quality
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
            GROUP BY exchange, market_type, symbol, ts_1s
        )
        WINDOW before AS (PARTITION BY exchange, market_type, symbol ORDER BY ts_1s ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    GROUP BY exchange, market_type, symbol, ts_1m
) AS r
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = r.exchange AND g.market_type = r.market_type AND g.symbol = r.symbol AND g.ts_1m = r.ts_1m;
