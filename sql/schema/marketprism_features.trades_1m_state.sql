CREATE TABLE marketprism_features.trades_1m_state
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'number of trades',
    `buy_trades` SimpleAggregateFunction(sum, UInt64) COMMENT 'number of taker buys',
    `vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume, base units',
    `buy_vol` SimpleAggregateFunction(sum, Decimal(38, 12)) COMMENT 'volume of taker buys, base units',
    `notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity, quote units',
    `buy_notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'sum of price * quantity of taker buys, quote units',
    `buy_notional_sq` SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'sum of the squared quote value of taker buys',
    `sell_notional_sq` SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'sum of the squared quote value of taker sells',
    `whale_buy_notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of whale taker buys: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    `whale_sell_notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of whale taker sells: at or above whale_quote of order_flow_thresholds (50,000 without a row)',
    `retail_buy_notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of retail taker buys: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    `retail_sell_notional` SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of retail taker sells: at or below retail_quote of order_flow_thresholds (1,000 without a row)',
    `open` AggregateFunction(argMin, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the lowest sequence',
    `close` AggregateFunction(argMax, Decimal(38, 12), UInt64) COMMENT 'price of the trade with the highest sequence',
    `high` SimpleAggregateFunction(max, Decimal(38, 12)) COMMENT 'highest price, quote units',
    `low` SimpleAggregateFunction(min, Decimal(38, 12)) COMMENT 'lowest price, quote units',
    `first_ts` SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'earliest exchange time of a trade, UTC',
    `last_ts` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'latest exchange time of a trade, UTC',
    `last_received_at` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'latest local receipt of a trade, UTC'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(ts_1m)
ORDER BY (exchange, market_type, symbol, ts_1m)
SETTINGS non_replicated_deduplication_window = 10000, index_granularity = 8192, merge_selector_base = 10, min_bytes_for_full_part_storage = 10485760
COMMENT 'additive state of each minute of trading'
