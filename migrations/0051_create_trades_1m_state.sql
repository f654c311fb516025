-- name:      trades_1m_state
-- purpose:   additive state of each minute of trading
-- grain:     one row per (exchange, market_type, symbol, ts_1m) after merging; read with GROUP BY
-- inputs:    marketprism_hot.trades
-- time:      ts_1m
-- freshness: on insert
-- lookahead: none
-- source:    MarketPrism design: exact decimal sums; whatever needs the previous trade is computed when read
CREATE TABLE IF NOT EXISTS marketprism_features.trades_1m_state
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    trades SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    buy_trades SimpleAggregateFunction(sum, UInt64) COMMENT 'number of taker buys',
    vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume, base units',
    buy_vol SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys, base units',
    notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity, quote units',
    buy_notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity of taker buys, quote units',
    open AggregateFunction(argMin, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the lowest sequence',
    close AggregateFunction(argMax, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the highest sequence',
    high SimpleAggregateFunction(max, Decimal(38, 12)) COMMENT 'highest price, quote units',
    low SimpleAggregateFunction(min, Decimal(38, 12)) COMMENT 'lowest price, quote units',
    last_received_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'latest local receipt of a trade, UTC'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(ts_1m)
ORDER BY (exchange, market_type, symbol, ts_1m)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'additive state of each minute of trading';

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.trades_1m_state_mv
TO marketprism_features.trades_1m_state
AS SELECT
    exchange,
    market_type,
    symbol,
    toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
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
GROUP BY exchange, market_type, symbol, ts_1m;
