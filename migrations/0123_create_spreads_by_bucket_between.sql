-- name:      spreads_by_bucket_between
-- purpose:   what takers paid, what was quoted, and, once five seconds have passed, what providers kept and the price took, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.quoted_trades_between, marketprism_features.unified_buckets_between, marketprism_features.bucket_flow
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    Huang, Stoll (1996): effective = realised + impact; the quote is the last one strictly before the trade
--
-- realised_spread_by_bucket is a view of its own, because its rows are available five seconds later.
--
-- Parameters from_bucket and to_bucket bound the ids; raw rows are read from the range's first trade to its last, and none
-- from before since: buckets that began earlier are left out, so that who needs the newest only reads no more.
CREATE VIEW IF NOT EXISTS marketprism_features.spreads_by_bucket_between
COMMENT 'effective and quoted spread by bucket (parameters from_bucket, to_bucket, since)'
AS SELECT
    u.exchange AS exchange,
    u.market_type AS market_type,
    u.symbol AS symbol,
    u.bucket_id AS bucket_id,
    u.bucket_ts_end AS bucket_ts_end,
    20000 * toFloat64(q.cost) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    20000 * toFloat64(q.width) / nullIf(toFloat64(q.value), 0) AS quoted_spread,
    toFloat64(q.cost) / nullIf(toFloat64(q.width), 0) AS spread_ratio,
    q.quoted AS quoted_trades,
    assumeNotNull(greatest(u.available_at, q.known_at)) AS available_at,
    multiIf(u.quality = 'gap', 'gap', q.quoted = 0, 'stale', 'ok') AS quality
FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0) AS u
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        countIf(is_quoted) AS quoted,
        sumIf(toDecimal256(taker_sign * (2 * price - bid - ask), 12) * quantity, is_quoted) AS cost,
        sumIf(toDecimal256(ask - bid, 12) * quantity, is_quoted) AS width,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_quoted) AS value,
        max(available_at) AS known_at
    FROM marketprism_features.quoted_trades_between(
        from_ts = greatest((SELECT min(first_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}), {since:DateTime64(3)}),
        to_ts = (SELECT max(last_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64})
    )
    WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
    GROUP BY exchange, market_type, symbol, bucket_id
) AS q ON q.exchange = u.exchange AND q.market_type = u.market_type AND q.symbol = u.symbol AND q.bucket_id = u.bucket_id
WHERE u.is_closed AND u.bucket_ts_start >= {since:DateTime64(3)};

CREATE OR REPLACE VIEW marketprism_features.spreads_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    effective_spread Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    quoted_spread Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    spread_ratio Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    quoted_trades UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'effective and quoted spread by bucket'
AS SELECT *
FROM marketprism_features.spreads_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00');

CREATE VIEW IF NOT EXISTS marketprism_features.realised_spread_by_bucket_between
COMMENT 'realised spread and price impact five seconds after the trades, by bucket (parameters from_bucket, to_bucket, since)'
AS SELECT
    u.exchange AS exchange,
    u.market_type AS market_type,
    u.symbol AS symbol,
    u.bucket_id AS bucket_id,
    u.bucket_ts_end AS bucket_ts_end,
    20000 * toFloat64(q.cost) / nullIf(toFloat64(q.value), 0) AS effective_spread,
    20000 * toFloat64(q.kept) / nullIf(toFloat64(q.value), 0) AS realised_spread,
    20000 * toFloat64(q.cost - q.kept) / nullIf(toFloat64(q.value), 0) AS price_impact,
    q.settled AS settled_trades,
    assumeNotNull(greatest(u.available_at, q.known_at)) AS available_at,
    multiIf(now64(6, 'UTC') < available_at, 'partial', u.quality = 'gap', 'gap', q.settled = 0, 'stale', 'ok') AS quality
FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0) AS u
INNER JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        countIf(is_settled) AS settled,
        sumIf(toDecimal256(taker_sign * (2 * price - bid - ask), 12) * quantity, is_settled) AS cost,
        sumIf(toDecimal256(taker_sign * (2 * price - later_bid - later_ask), 12) * quantity, is_settled) AS kept,
        sumIf(toDecimal256(bid + ask, 12) * quantity, is_settled) AS value,
        max(settled_at) AS known_at
    FROM marketprism_features.quoted_trades_between(
        from_ts = greatest((SELECT min(first_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}), {since:DateTime64(3)}),
        to_ts = (SELECT max(last_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64})
    )
    WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
    GROUP BY exchange, market_type, symbol, bucket_id
) AS q ON q.exchange = u.exchange AND q.market_type = u.market_type AND q.symbol = u.symbol AND q.bucket_id = u.bucket_id
WHERE u.is_closed AND u.bucket_ts_start >= {since:DateTime64(3)};

CREATE OR REPLACE VIEW marketprism_features.realised_spread_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    effective_spread Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    realised_spread Nullable(Float64) COMMENT '2 |price - mid five seconds later| / mid before, weighed alike, basis points',
    price_impact Nullable(Float64) COMMENT 'effective - realised spread: 2 |mid five seconds later - mid before| / mid before, basis points',
    settled_trades UInt64 COMMENT 'trades with a quote before them and one five seconds later, neither older than 60 s',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'realised spread and price impact five seconds after the trades, by bucket'
AS SELECT *
FROM marketprism_features.realised_spread_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00');
