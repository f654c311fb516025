CREATE VIEW marketprism_features.trades_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `total_volume` Decimal(38, 12) COMMENT 'volume, base units',
    `buy_volume` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `sell_volume` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `trade_count` UInt64 COMMENT 'number of trades',
    `flow_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    `avg_trade_size` Nullable(Float64) COMMENT 'volume per trade, base units',
    `notional` Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    `vwap` Nullable(Float64) COMMENT 'notional / volume, quote units',
    `open` Decimal(38, 12) COMMENT 'first price by sequence, quote units',
    `high` Decimal(38, 12) COMMENT 'highest price, quote units',
    `low` Decimal(38, 12) COMMENT 'lowest price, quote units',
    `close` Decimal(38, 12) COMMENT 'last price by sequence, quote units',
    `available_at` DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC',
    `quality` LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the minute)'
)
COMMENT 'trading by minute'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1m AS ts_1m,
    sum(s.vol) AS total_volume,
    sum(s.buy_vol) AS buy_volume,
    total_volume - buy_volume AS sell_volume,
    sum(s.trades) AS trade_count,
    toFloat64(buy_volume - sell_volume) / nullIf(toFloat64(total_volume), 0) AS flow_imbalance,
    toFloat64(total_volume) / nullIf(trade_count, 0) AS avg_trade_size,
    sum(s.notional) AS notional,
    toFloat64(sum(s.notional)) / nullIf(toFloat64(total_volume), 0) AS vwap,
    argMinMerge(s.open) AS open,
    max(s.high) AS high,
    min(s.low) AS low,
    argMaxMerge(s.close) AS close,
    greatest(max(s.last_received_at), toDateTime64(s.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', ((s.exchange, s.market_type, s.symbol, s.ts_1m) IN (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m
        FROM marketprism_features.gap_minutes
        WHERE of_type = 'trades'
    )), 'gap', 'ok') AS quality
FROM marketprism_features.trades_1m_state AS s
GROUP BY
    s.exchange,
    s.market_type,
    s.symbol,
    s.ts_1m
