CREATE MATERIALIZED VIEW marketprism_features.footprint_1m_mv TO marketprism_features.footprint_1m_state
(
    `exchange` LowCardinality(String),
    `market_type` LowCardinality(String),
    `symbol` LowCardinality(String),
    `ts_1m` DateTime('UTC'),
    `tick_size` Decimal(38, 12),
    `px_bin` Int64,
    `trades` UInt64,
    `ask_vol` Decimal(38, 12),
    `bid_vol` Decimal(38, 12)
)
AS SELECT
    exchange,
    market_type,
    symbol,
    toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
    tick_size,
    price_tick AS px_bin,
    count() AS trades,
    sumIf(quantity, side = 'buy') AS ask_vol,
    sumIf(quantity, side = 'sell') AS bid_vol
FROM marketprism_hot.trades
WHERE bucket_id != 0
GROUP BY
    exchange,
    market_type,
    symbol,
    ts_1m,
    tick_size,
    px_bin
