-- name:      bucket_flow
-- purpose:   additive state of each unified bucket: everything later views need from its trades
-- grain:     one row per (exchange, market_type, symbol, bucket_id) after merging; read with GROUP BY
-- inputs:    marketprism_hot.trades
-- time:      first_ts, last_ts
-- freshness: on insert
-- lookahead: none
-- source:    MarketPrism design: exact decimal sums, so that a value does not depend on how batches were cut
--
-- No sum can wrap: quantity < 1e18 leaves Decimal(38, 12) room for 1e8 of the largest trades; price < 1e12 times quantity
-- is taken in 256 bits. Sums start in Decimal, and Float64 begins where a reader divides.
CREATE TABLE IF NOT EXISTS marketprism_features.bucket_flow
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    trades SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    buy_trades SimpleAggregateFunction(sum, UInt64) COMMENT 'number of taker buys',
    late_trades SimpleAggregateFunction(sum, UInt64) COMMENT 'trades that came after later ones had been stored',
    vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume, base units',
    buy_vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys, base units',
    notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity, quote units',
    buy_notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity of taker buys, quote units',
    open AggregateFunction(argMin, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the lowest sequence',
    close AggregateFunction(argMax, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the highest sequence',
    high SimpleAggregateFunction(max, Decimal(38, 12)) COMMENT 'highest price, quote units',
    low SimpleAggregateFunction(min, Decimal(38, 12)) COMMENT 'lowest price, quote units',
    first_sequence SimpleAggregateFunction(min, UInt64) COMMENT 'lowest trade sequence',
    last_sequence SimpleAggregateFunction(max, UInt64) COMMENT 'highest trade sequence',
    first_ts SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'earliest exchange time of a trade, UTC',
    last_ts SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'latest exchange time of a trade, UTC',
    first_received_at SimpleAggregateFunction(min, DateTime64(6, 'UTC')) COMMENT 'earliest local receipt of a trade, UTC',
    last_received_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'latest local receipt of a trade, UTC',
    cut SimpleAggregateFunction(max, String) COMMENT 'volume, count or event once the closing trade is in; empty before, and for time and day cuts',
    t_max_ms SimpleAggregateFunction(max, UInt32) COMMENT 'time limit of the bucket, milliseconds'
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(bucket_id, 1000000)
ORDER BY (exchange, market_type, symbol, bucket_id)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'additive state of each unified bucket; unified_buckets reads it';

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.bucket_flow_mv
TO marketprism_features.bucket_flow
AS SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    count() AS trades,
    countIf(side = 'buy') AS buy_trades,
    countIf(late) AS late_trades,
    sum(quantity) AS vol,
    sumIf(quantity, side = 'buy') AS buy_vol,
    sum(toDecimal256(price, 12) * quantity) AS notional,
    sumIf(toDecimal256(price, 12) * quantity, side = 'buy') AS buy_notional,
    argMinState(price, sequence) AS open,
    argMaxState(price, sequence) AS close,
    max(price) AS high,
    min(price) AS low,
    min(sequence) AS first_sequence,
    max(sequence) AS last_sequence,
    min(timestamp) AS first_ts,
    max(timestamp) AS last_ts,
    min(received_at) AS first_received_at,
    max(received_at) AS last_received_at,
    max(toString(bucket_cut)) AS cut,
    max(bucket_t_max_ms) AS t_max_ms
FROM marketprism_hot.trades
WHERE bucket_id != 0
GROUP BY exchange, market_type, symbol, bucket_id;
