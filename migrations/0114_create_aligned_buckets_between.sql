-- name:      aligned_buckets_between
-- purpose:   a symbol's trades by the bucket edges of another venue's symbol, so that venues share one clock
-- grain:     one row per closed bucket of the reference in which the symbol traded
-- inputs:    marketprism_features.unified_buckets_between, marketprism_features.all_trades
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, unified buckets (UBT), reference_exchange; which venue leads: reference_venues
--
-- Parameters: exchange, market_type, symbol; reference_exchange, reference_market_type, reference_symbol; from_ts, to_ts.
-- Bucket n holds the symbol's trades after the end of bucket n - 1 and up to the end of n, in exchange time: edges are ends,
-- because an end is known when its bucket has closed. Buckets of the reference that share their end are one here; the first
-- one that is read (a day before from_ts) has no begin and is left out.
CREATE VIEW IF NOT EXISTS marketprism_features.aligned_buckets_between
COMMENT 'trades of a symbol by the bucket edges of another venue (parameters exchange, market_type, symbol, reference_exchange, reference_market_type, reference_symbol, from_ts, to_ts)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    e.bucket_id AS bucket_id,
    e.bucket_end AS reference_ts_end,
    min(t.timestamp) AS bucket_ts_start,
    max(t.timestamp) AS bucket_ts_end,
    greatest(max(t.known_at), any(e.available_at)) AS available_at,
    count() AS trades,
    countIf(t.side = 'buy') AS buy_trades,
    sum(t.quantity) AS vol,
    sumIf(t.quantity, t.side = 'buy') AS buy_vol,
    vol - buy_vol AS sell_vol,
    sum(toDecimal256(t.price, 12) * t.quantity) AS notional,
    toFloat64(notional) / nullIf(toFloat64(vol), 0) AS vwap,
    argMin(t.price, t.sequence) AS open,
    max(t.price) AS high,
    min(t.price) AS low,
    argMax(t.price, t.sequence) AS close
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        timestamp,
        sequence,
        price,
        quantity,
        side,
        greatest(received_at, toDateTime64(timestamp, 6, 'UTC')) AS known_at,
        1 AS one
    FROM marketprism_features.all_trades
    WHERE bucket_id != 0
        AND exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
        AND timestamp BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}
) AS t
ASOF INNER JOIN
(
    SELECT 1 AS one, bucket_id, available_at, bucket_end, bucket_begin
    FROM
    (
        SELECT
            bucket_id,
            available_at,
            is_closed,
            max(bucket_ts_end) OVER (ORDER BY bucket_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS bucket_end,
            max(bucket_ts_end) OVER (ORDER BY bucket_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bucket_begin
        FROM marketprism_features.unified_buckets_between(
            from_bucket = toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(1))) * 1000000,
            to_bucket = toUInt64(toYYYYMMDD({to_ts:DateTime64(3)} + toIntervalDay(1))) * 1000000,
            newest = 0
        )
        WHERE exchange = {reference_exchange:String} AND market_type = {reference_market_type:String}
            AND symbol = {reference_symbol:String}
    )
    WHERE is_closed AND bucket_end > bucket_begin AND toUnixTimestamp64Milli(bucket_begin) != 0
) AS e ON e.one = t.one AND t.timestamp > e.bucket_begin
WHERE t.timestamp <= e.bucket_end
GROUP BY t.exchange, t.market_type, t.symbol, e.bucket_id, e.bucket_end;
