-- name:      realised_spread_1m
-- purpose:   what liquidity providers kept, and what the price took, five seconds after each trade, by minute of the trades
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.quoted_trades_between, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    Huang, Stoll (1996): effective = realised + impact; R highfrequency halves its impact, frds does not
--
-- Not before its time: available_at lies five seconds behind the last trade of the minute at the earliest.
CREATE VIEW IF NOT EXISTS marketprism_features.realised_spread_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    effective_spread Nullable(Float64) COMMENT '2 |price - mid| / mid of the settled trades, against the taker, weighed by mid * quantity, basis points',
    realised_spread Nullable(Float64) COMMENT '2 |price - mid five seconds later| / mid before, weighed alike, basis points',
    price_impact Nullable(Float64) COMMENT 'effective - realised spread: 2 |mid five seconds later - mid before| / mid before, basis points',
    trades UInt64 COMMENT 'number of trades',
    settled_trades UInt64 COMMENT 'trades with a quote before them and one five seconds later, neither older than 60 s',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised spread and price impact five seconds after the trades, by minute'
AS SELECT
    q.exchange AS exchange,
    q.market_type AS market_type,
    q.symbol AS symbol,
    q.ts_1m AS ts_1m,
    20000 * toFloat64(q.cost) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    20000 * toFloat64(q.kept) / nullIf(toFloat64(q.value), 0) AS realised_spread,
    20000 * toFloat64(q.cost - q.kept) / nullIf(toFloat64(q.value), 0) AS price_impact,
    q.trades AS trades,
    q.settled AS settled_trades,
    greatest(q.known_at, toDateTime64(q.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < available_at, 'partial', g.of_type != '', 'gap', q.settled = 0, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        count() AS trades,
        countIf(is_settled) AS settled,
        sumIf(toDecimal256(taker_sign * (2 * price - bid - ask), 12) * quantity, is_settled) AS cost,
        sumIf(toDecimal256(taker_sign * (2 * price - later_bid - later_ask), 12) * quantity, is_settled) AS kept,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_settled) AS value,
        max(settled_at) AS known_at
    FROM marketprism_features.quoted_trades_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
    GROUP BY exchange, market_type, symbol, ts_1m
) AS q
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = q.exchange AND g.market_type = q.market_type AND g.symbol = q.symbol AND g.ts_1m = q.ts_1m;
