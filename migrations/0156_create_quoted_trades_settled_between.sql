-- name:      quoted_trades_settled_between
-- purpose:   trades with the quotes before and after them, known as a whole, for a range of time
-- grain:     one row per (exchange, market_type, symbol, sequence) of trades that bear buckets
-- inputs:    marketprism_features.quoted_trades_between
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    Huang, Stoll (1996)
--
-- The range form of quoted_trades: a stretch of it costs that stretch. available_at is that of the whole row, the quote five
-- seconds later included, where quoted_trades_between calls it settled_at.
-- Parameters from_ts and to_ts bound the exchange time of the trades.
CREATE VIEW IF NOT EXISTS marketprism_features.quoted_trades_settled_between
COMMENT 'trades with the quotes before and after them, known as a whole (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    timestamp,
    sequence,
    bucket_id,
    taker_sign,
    price,
    quantity,
    bid,
    ask,
    quote_age_ms,
    later_bid,
    later_ask,
    settled_at AS available_at
FROM marketprism_features.quoted_trades_between(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)});
