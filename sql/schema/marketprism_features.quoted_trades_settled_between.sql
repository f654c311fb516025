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
    settled_at AS available_at,
    multiIf(now64(6, 'UTC') < (settled_at + toIntervalSecond(3)), 'partial', ((exchange, market_type, symbol, toStartOfMinute(toDateTime(timestamp, 'UTC'))) IN (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m
        FROM marketprism_features.gap_minutes
        WHERE of_type = 'trades'
    )), 'gap', NOT is_settled, 'stale', 'ok') AS quality
FROM `marketprism_features.quoted_trades_between`(from_ts = {from_ts:DateTime64(3)}, to_ts = {to_ts:DateTime64(3)})
