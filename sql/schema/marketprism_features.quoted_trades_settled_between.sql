CREATE VIEW marketprism_features.quoted_trades_settled_between
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
FROM `marketprism_features.quoted_trades_between`(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
