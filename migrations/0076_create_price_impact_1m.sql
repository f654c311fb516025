-- name:      price_impact_1m
-- purpose:   price impact by minute: the time-bucket fallback of kyle_lambda_by_bucket, with what takers paid
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.trades_1m, marketprism_features.quoted_trades_between, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    Kyle (1985) as a ratio; Amihud (2002), simple return; effective spread 2 (price - mid) / mid of Huang, Stoll (1996)
--
-- Spreads are ratios of exact sums: the mean of 2 |price - mid| / mid over trades, each weighed by mid * quantity.
CREATE VIEW IF NOT EXISTS marketprism_features.price_impact_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    kyle_lambda Nullable(Float64) COMMENT '(close - open) / signed volume, quote units per base unit; NULL without signed volume',
    amihud_illiq Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    effective_spread_buy Nullable(Float64) COMMENT 'what taker buys paid over the mid, 2 (price - mid) / mid weighed by mid * quantity, basis points',
    effective_spread_sell Nullable(Float64) COMMENT 'what taker sells paid under the mid, 2 (mid - price) / mid weighed by mid * quantity, basis points',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    price_change Decimal(38, 12) COMMENT 'close - open, quote units',
    trades UInt64 COMMENT 'number of trades',
    quoted_trades UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'Kyle lambda, Amihud illiquidity and effective spread by side, by minute'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.ts_1m AS ts_1m,
    toFloat64(t.close - t.open) / nullIf(toFloat64(t.buy_volume - t.sell_volume), 0) AS kyle_lambda,
    abs(toFloat64(t.close - t.open) / nullIf(toFloat64(t.open), 0)) / nullIf(toFloat64(t.notional), 0) AS amihud_illiq,
    20000 * toFloat64(q.buy_cost) / nullIf(toFloat64(q.buy_value), 0) AS effective_spread_buy,
    20000 * toFloat64(q.sell_cost) / nullIf(toFloat64(q.sell_value), 0) AS effective_spread_sell,
    t.buy_volume - t.sell_volume AS signed_volume,
    t.close - t.open AS price_change,
    t.trade_count AS trades,
    q.quoted AS quoted_trades,
    greatest(t.available_at, q.known_at) AS available_at,
    multiIf(now64(6, 'UTC') < t.available_at, 'partial', g.of_type != '', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM marketprism_features.trades_1m AS t
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(2 * price - bid - ask, 12) * quantity, is_quoted AND taker_sign = 1) AS buy_cost,
        sumIf(toDecimal256(bid + ask - 2 * price, 12) * quantity, is_quoted AND taker_sign = -1) AS sell_cost,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted AND taker_sign = 1) AS buy_value,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted AND taker_sign = -1) AS sell_value,
        max(available_at) AS known_at
    FROM marketprism_features.quoted_trades_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
    GROUP BY exchange, market_type, symbol, ts_1m
) AS q ON q.exchange = t.exchange AND q.market_type = t.market_type AND q.symbol = t.symbol AND q.ts_1m = t.ts_1m
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m;
