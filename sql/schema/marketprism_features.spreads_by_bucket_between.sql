CREATE VIEW marketprism_features.spreads_by_bucket_between
COMMENT 'effective and quoted spread by bucket (parameters from_bucket, to_bucket, since)'
AS SELECT
    u.exchange AS exchange,
    u.market_type AS market_type,
    u.symbol AS symbol,
    u.bucket_id AS bucket_id,
    u.bucket_ts_end AS bucket_ts_end,
    (20000 * toFloat64(q.cost)) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    (20000 * toFloat64(q.width)) / nullIf(toFloat64(q.value), 0) AS quoted_spread,
    toFloat64(q.cost) / nullIf(toFloat64(q.width), 0) AS spread_ratio,
    q.quoted AS quoted_trades,
    assumeNotNull(greatest(u.available_at, q.known_at)) AS available_at,
    multiIf(u.quality = 'gap', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM `marketprism_features.unified_buckets_between`(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0) AS u
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(taker_sign * (((2 * price) - bid) - ask), 12) * quantity, is_quoted) AS cost,
        sumIf(toDecimal256(ask - bid, 12) * quantity, is_quoted) AS width,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted) AS value,
        max(available_at) AS known_at
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
