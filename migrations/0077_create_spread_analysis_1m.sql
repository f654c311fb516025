-- name:      spread_analysis_1m
-- purpose:   what takers paid against what was quoted, by minute
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.quoted_trades_between, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    Huang, Stoll (1996); the quote is the last one strictly before the trade
--
-- Ratios of exact sums: both spreads are weighed by mid * quantity, so that their ratio compares like with like.
CREATE VIEW IF NOT EXISTS marketprism_features.spread_analysis_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    effective_spread Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    quoted_spread Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    spread_ratio Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    trades UInt64 COMMENT 'number of trades',
    quoted_trades UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'effective and quoted spread and their ratio, by minute'
AS SELECT
    q.exchange AS exchange,
    q.market_type AS market_type,
    q.symbol AS symbol,
    q.ts_1m AS ts_1m,
    20000 * toFloat64(q.cost) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    20000 * toFloat64(q.width) / nullIf(toFloat64(q.value), 0) AS quoted_spread,
    toFloat64(q.cost) / nullIf(toFloat64(q.width), 0) AS spread_ratio,
    q.trades AS trades,
    q.quoted AS quoted_trades,
    greatest(q.known_at, toDateTime64(q.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at, 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        count() AS trades,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(taker_sign * (2 * price - bid - ask), 12) * quantity, is_quoted) AS cost,
        sumIf(toDecimal256(ask - bid, 12) * quantity, is_quoted) AS width,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted) AS value,
        max(available_at) AS known_at
    FROM marketprism_features.quoted_trades_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
    GROUP BY exchange, market_type, symbol, ts_1m
) AS q
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = q.exchange AND g.market_type = q.market_type AND g.symbol = q.symbol AND g.ts_1m = q.ts_1m;
