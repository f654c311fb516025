CREATE MATERIALIZED VIEW marketprism_features.mid_1m_mv TO marketprism_features.mid_1m_state
(
    `exchange` LowCardinality(String),
    `market_type` LowCardinality(String),
    `symbol` LowCardinality(String),
    `ts_1m` DateTime('UTC'),
    `books` UInt64,
    `best_sum` Decimal(76, 12),
    `last_best` AggregateFunction(argMax, Decimal(38, 12), Tuple(
        DateTime64(3, 'UTC'),
        UInt64)),
    `last_ts` DateTime64(3, 'UTC'),
    `last_received_at` DateTime64(6, 'UTC')
)
AS SELECT
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    toStartOfMinute(toDateTime(b.timestamp, 'UTC')) AS ts_1m,
    count() AS books,
    sum(toDecimal256(b.best_bid_price, 12) + b.best_ask_price) AS best_sum,
    argMaxState(b.best_bid_price + b.best_ask_price, (b.timestamp, b.sequence)) AS last_best,
    max(b.timestamp) AS last_ts,
    max(b.received_at) AS last_received_at
FROM marketprism_hot.orderbooks AS b
WHERE (b.best_bid_price > 0) AND (b.best_ask_price > 0)
GROUP BY
    exchange,
    market_type,
    symbol,
    ts_1m
