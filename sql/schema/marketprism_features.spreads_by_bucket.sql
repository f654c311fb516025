CREATE VIEW marketprism_features.spreads_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `effective_spread` Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    `quoted_spread` Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    `spread_ratio` Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    `quoted_trades` UInt64 COMMENT 'trades with a quote not older than 60 s before them',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'effective and quoted spread by bucket'
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
FROM marketprism_features.unified_buckets AS u
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
    FROM `marketprism_features.quoted_trades_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
    GROUP BY
        exchange,
        market_type,
        symbol,
        bucket_id
) AS q ON (q.exchange = u.exchange) AND (q.market_type = u.market_type) AND (q.symbol = u.symbol) AND (q.bucket_id = u.bucket_id)
WHERE u.is_closed
