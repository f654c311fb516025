CREATE VIEW marketprism_features.agg_trades_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `trade_count` UInt64 COMMENT 'number of trades',
    `base_volume` Decimal(38, 12) COMMENT 'volume, base units',
    `quote_volume` Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    `taker_buy_qty` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `taker_sell_qty` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `taker_buy_quote` Decimal(76, 24) COMMENT 'quote value of taker buys',
    `taker_sell_quote` Decimal(76, 24) COMMENT 'quote value of taker sells',
    `taker_buy_quote_sq` Decimal(76, 20) COMMENT 'sum of the squared quote value of taker buys',
    `taker_sell_quote_sq` Decimal(76, 20) COMMENT 'sum of the squared quote value of taker sells',
    `taker_buy_trade_count` UInt64 COMMENT 'number of taker buys',
    `taker_sell_trade_count` UInt64 COMMENT 'number of taker sells',
    `whale_buy_quote` Decimal(76, 24) COMMENT 'quote value of whale taker buys: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    `whale_sell_quote` Decimal(76, 24) COMMENT 'quote value of whale taker sells: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    `retail_buy_quote` Decimal(76, 24) COMMENT 'quote value of retail taker buys: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    `retail_sell_quote` Decimal(76, 24) COMMENT 'quote value of retail taker sells: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    `first_ts` DateTime64(3, 'UTC') COMMENT 'exchange time of the first trade, UTC',
    `price_first` Decimal(38, 12) COMMENT 'price of the first trade by sequence, quote units',
    `last_ts` DateTime64(3, 'UTC') COMMENT 'exchange time of the last trade, UTC',
    `price_last` Decimal(38, 12) COMMENT 'price of the last trade by sequence, quote units',
    `price_high` Decimal(38, 12) COMMENT 'highest price, quote units',
    `price_low` Decimal(38, 12) COMMENT 'lowest price, quote units',
    `available_at` DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC',
    `quality` LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way) or gap (an unrepaired hole in the trades touches the minute)'
)
COMMENT 'order flow by minute: volumes, squares, whales and retail by side'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1m AS ts_1m,
    sum(s.trades) AS trade_count,
    sum(s.vol) AS base_volume,
    sum(s.notional) AS quote_volume,
    sum(s.buy_vol) AS taker_buy_qty,
    base_volume - taker_buy_qty AS taker_sell_qty,
    sum(s.buy_notional) AS taker_buy_quote,
    quote_volume - taker_buy_quote AS taker_sell_quote,
    sum(s.buy_notional_sq) AS taker_buy_quote_sq,
    sum(s.sell_notional_sq) AS taker_sell_quote_sq,
    sum(s.buy_trades) AS taker_buy_trade_count,
    trade_count - taker_buy_trade_count AS taker_sell_trade_count,
    sum(s.whale_buy_notional) AS whale_buy_quote,
    sum(s.whale_sell_notional) AS whale_sell_quote,
    sum(s.retail_buy_notional) AS retail_buy_quote,
    sum(s.retail_sell_notional) AS retail_sell_quote,
    min(s.first_ts) AS first_ts,
    argMinMerge(s.open) AS price_first,
    max(s.last_ts) AS last_ts,
    argMaxMerge(s.close) AS price_last,
    max(s.high) AS price_high,
    min(s.low) AS price_low,
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
