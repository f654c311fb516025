CREATE VIEW marketprism_features.realised_spread_by_bucket_between
COMMENT 'realised spread and price impact five seconds after the trades, by bucket (parameters from_bucket, to_bucket, since)'
AS SELECT
    u.exchange AS exchange,
    u.market_type AS market_type,
    u.symbol AS symbol,
    u.bucket_id AS bucket_id,
    u.bucket_ts_end AS bucket_ts_end,
    (20000 * toFloat64(q.cost)) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    (20000 * toFloat64(q.kept)) / nullIf(toFloat64(q.value), 0) AS realised_spread,
    (20000 * toFloat64(q.cost - q.kept)) / nullIf(toFloat64(q.value), 0) AS price_impact,
    q.settled AS settled_trades,
    assumeNotNull(greatest(u.available_at, q.known_at)) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', u.quality = 'gap', 'gap', q.settled = 0, 'stale', 'ok') AS quality
FROM `marketprism_features.unified_buckets_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0) AS u
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        countIf(is_settled) AS settled,
        sumIf(toDecimal256(taker_sign * (((2 * price) - bid) - ask), 12) * quantity, is_settled) AS cost,
        sumIf(toDecimal256(taker_sign * (((2 * price) - later_bid) - later_ask), 12) * quantity, is_settled) AS kept,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_settled) AS value,
        max(settled_at) AS known_at
    FROM `marketprism_features.quoted_trades_between`(from_ts = greatest((
        SELECT min(first_ts)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    ), {since:DateTime64(3)}), to_ts = (
        SELECT max(last_ts)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    ))
    WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    GROUP BY
        exchange,
        market_type,
        symbol,
        bucket_id
) AS q ON (q.exchange = u.exchange) AND (q.market_type = u.market_type) AND (q.symbol = u.symbol) AND (q.bucket_id = u.bucket_id)
WHERE u.is_closed AND (u.bucket_ts_start >= {since:DateTime64(3)})
