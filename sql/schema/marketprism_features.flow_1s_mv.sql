CREATE MATERIALIZED VIEW marketprism_features.flow_1s_mv TO marketprism_features.flow_1s
(
    `exchange` LowCardinality(String),
    `market_type` LowCardinality(String),
    `symbol` LowCardinality(String),
    `ts_1s` DateTime('UTC'),
    `trades` UInt64,
    `buy_trades` UInt64,
    `vol` Decimal(38, 12),
    `buy_vol` Decimal(38, 12),
    `notional` Decimal(76, 24),
    `buy_notional` Decimal(76, 24),
    `open` AggregateFunction(argMin, Decimal(38, 12), UInt64),
    `close` AggregateFunction(argMax, Decimal(38, 12), UInt64),
    `high` Decimal(38, 12),
    `low` Decimal(38, 12),
    `last_received_at` DateTime64(6, 'UTC')
)
AS SELECT
    exchange,
    market_type,
    symbol,
    toDateTime(timestamp, 'UTC') AS ts_1s,
    count() AS trades,
    countIf(side = 'buy') AS buy_trades,
    sum(quantity) AS vol,
    sumIf(quantity, side = 'buy') AS buy_vol,
    sum(toDecimal256(price, 12) * quantity) AS notional,
    sumIf(toDecimal256(price, 12) * quantity, side = 'buy') AS buy_notional,
    argMinState(price, sequence) AS open,
    argMaxState(price, sequence) AS close,
    max(price) AS high,
    min(price) AS low,
    max(received_at) AS last_received_at
FROM marketprism_hot.trades
WHERE bucket_id != 0
GROUP BY
    exchange,
    market_type,
    symbol,
    ts_1s
