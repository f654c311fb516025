-- name:      trades_1m_state
-- purpose:   what the order-flow layers of archive users need of each minute, on the minute state that is there already
-- grain:     one row per (exchange, market_type, symbol, ts_1m) after merging; read with GROUP BY
-- inputs:    marketprism_hot.trades
-- time:      ts_1m
-- freshness: on insert
-- lookahead: none
-- source:    layers of archive users (agg_trades_1m); whale: 50,000 quote units a trade or more, retail: 1,000 or less
--
-- trades carries at most five views, so the layer is a wider minute state and no sixth view. Measured with the five views
-- (200,000-row blocks, one insert thread): tests/bench/bench_history.py prints the ratio.
--
-- DANGER: the view is dropped and made anew: storage services must not run meanwhile (`marketprism up` migrates before it
-- starts them). Minutes stored before this migration have 0 in the new columns until their day is rebuilt.
--
-- Squares stay exact and cannot wrap: a trade's quote value is cut to ten decimals and at 1e24 before it is squared
-- (Decimal(76, 20)), so the sum of a hundred million of the largest fits.
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS buy_notional_sq SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'sum of the squared quote value of taker buys' AFTER buy_notional;
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS sell_notional_sq SimpleAggregateFunction(sum, Decimal(76, 20)) COMMENT 'sum of the squared quote value of taker sells' AFTER buy_notional_sq;
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS whale_buy_notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of taker buys of 50,000 quote units or more' AFTER sell_notional_sq;
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS whale_sell_notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of taker sells of 50,000 quote units or more' AFTER whale_buy_notional;
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS retail_buy_notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of taker buys of 1,000 quote units or less' AFTER whale_sell_notional;
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS retail_sell_notional SimpleAggregateFunction(sum, Decimal(76, 24)) COMMENT 'quote value of taker sells of 1,000 quote units or less' AFTER retail_buy_notional;
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS first_ts SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'earliest exchange time of a trade, UTC' AFTER low;
ALTER TABLE marketprism_features.trades_1m_state ADD COLUMN IF NOT EXISTS last_ts SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'latest exchange time of a trade, UTC' AFTER first_ts;

DROP VIEW IF EXISTS marketprism_features.trades_1m_state_mv;

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
    sumIf(
        toDecimal256(least(toDecimal256(price, 12) * quantity, toDecimal256('1000000000000000000000000', 24)), 10)
            * toDecimal256(least(toDecimal256(price, 12) * quantity, toDecimal256('1000000000000000000000000', 24)), 10),
        side = 'buy'
    ) AS buy_notional_sq,
    sumIf(
        toDecimal256(least(toDecimal256(price, 12) * quantity, toDecimal256('1000000000000000000000000', 24)), 10)
            * toDecimal256(least(toDecimal256(price, 12) * quantity, toDecimal256('1000000000000000000000000', 24)), 10),
        side = 'sell'
    ) AS sell_notional_sq,
    sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity >= 50000) AS whale_buy_notional,
    sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity >= 50000) AS whale_sell_notional,
    sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_buy_notional,
    sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_sell_notional,
    argMinState(price, sequence) AS open,
    argMaxState(price, sequence) AS close,
    max(price) AS high,
    min(price) AS low,
    min(timestamp) AS first_ts,
    max(timestamp) AS last_ts,
    max(received_at) AS last_received_at
FROM marketprism_hot.trades
WHERE bucket_id != 0
GROUP BY exchange, market_type, symbol, ts_1m;
