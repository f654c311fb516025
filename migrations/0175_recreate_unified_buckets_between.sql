-- name:      unified_buckets_between
-- purpose:   the unified buckets of a range of bucket ids, or only the newest ones of every symbol
-- grain:     one row per (exchange, market_type, symbol, bucket_id)
-- inputs:    marketprism_features.bucket_flow, marketprism_features.all_gaps
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, unified buckets (UBT)
--
-- Parameters: from_bucket and to_bucket bound the ids, so that a windowed read prunes partitions; newest = n > 0 keeps
-- the ids of the last n numbers of each symbol and day (0 = all).
--
-- The next bucket's FIRST RECEIPT is the one thing read from a later row, and it is no lookahead: it is used only to date
-- the close (available_at), and it lies at or before that date by construction. No value of the bucket depends on it, so
-- whoever reads as of a moment T (available_at <= T) sees what a table cut at T shows.
--   closing trade (volume, count, event)  available_at = last receipt of the bucket's trades, the closing trade's
--   time                                  the earlier of the next bucket's first receipt and first trade + t_max
--   day                                   midnight
-- and never before the bucket's own last receipt, which the clock rules alone would allow when the feed is slow.
-- The bucket after the range is read, too: it is what closes the last one, which otherwise waited for the clock.
-- A receipt counts from the exchange time of what was received: with a local clock that is behind the exchange's, a bucket
-- would be available before its last trade happened, and an as-of read in exchange time would see that trade.
-- quality is gap, too, where nothing is stored of the seven days before the bucket: months that were loaded apart would
-- make one return of all that lies between them. As-of reads look back as far, so that their windows begin anew there.
-- The clock alone closes a bucket 3 s after its limit, because what was received before is on its way for a moment: a row
-- that is_closed does not change when it arrives. available_at, which is known afterwards, stays the limit.
-- leak-ok: window-lead: the next bucket's first receipt dates the close (available_at) and no value; it lies at or before that date
-- leak-ok: window-following: the frame of that one lead
-- leak-ok: whole-history: gaps mark the quality of the buckets they overlap in exchange time; no value is computed from them
CREATE OR REPLACE VIEW marketprism_features.unified_buckets_between
COMMENT 'unified buckets of a range of bucket ids (parameters from_bucket, to_bucket, newest)'
AS WITH
    (
        SELECT groupArray((exchange, market_type, symbol, from_time, to_time))
        FROM
        (
            SELECT exchange, market_type, symbol, min(g.from_time) AS from_time, max(g.to_time) AS to_time
            FROM marketprism_features.all_gaps AS g
            WHERE g.of_type = 'trades'
            GROUP BY exchange, market_type, symbol, g.from_sequence, g.to_sequence
            HAVING NOT max(g.repaired)
        )
    ) AS holes
SELECT
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    b.bucket_id AS bucket_id,
    b.bucket_ts_start AS bucket_ts_start,
    b.bucket_ts_end AS bucket_ts_end,
    multiIf(
        NOT b.is_closed, NULL,
        b.cut != '', b.last_received_at,
        b.deadline <= b.midnight, greatest(b.last_received_at, least(ifNull(b.next_received_at, b.deadline), b.deadline)),
        greatest(b.last_received_at, b.midnight)
    ) AS available_at,
    b.trades AS trades,
    b.buy_trades AS buy_trades,
    b.vol AS vol,
    b.buy_vol AS buy_vol,
    b.vol - b.buy_vol AS sell_vol,
    b.notional AS notional,
    b.buy_notional AS buy_notional,
    toFloat64(b.notional) / nullIf(toFloat64(b.vol), 0) AS vwap,
    b.open AS open,
    b.high AS high,
    b.low AS low,
    b.close AS close,
    multiIf(NOT b.is_closed, '', b.cut != '', b.cut, b.deadline <= b.midnight, 'time', 'day') AS cut_trigger,
    b.is_closed AS is_closed,
    multiIf(
        NOT b.is_closed, 'partial',
        arrayExists(
            hole -> hole.3 = b.symbol AND hole.1 = b.exchange AND hole.2 = b.market_type
                AND hole.4 <= b.bucket_ts_end AND hole.5 >= b.bucket_ts_start,
            holes
        ) OR b.ended_before < b.bucket_ts_start - toIntervalDay(7), 'gap',
        'ok'
    ) AS quality
FROM
(
    SELECT
        *,
        leadInFrame(toNullable(first_received_at)) OVER following AS next_received_at,
        lagInFrame(toNullable(bucket_ts_end)) OVER preceding AS ended_before,
        toBool(cut != '' OR next_received_at IS NOT NULL OR now64(6, 'UTC') >= least(deadline, midnight) + toIntervalSecond(3)) AS is_closed
    FROM
    (
        SELECT
            f.exchange AS exchange,
            f.market_type AS market_type,
            f.symbol AS symbol,
            f.bucket_id AS bucket_id,
            min(f.first_ts) AS bucket_ts_start,
            max(f.last_ts) AS bucket_ts_end,
            greatest(min(f.first_received_at), toDateTime64(min(f.first_ts), 6, 'UTC')) AS first_received_at,
            greatest(max(f.last_received_at), toDateTime64(max(f.last_ts), 6, 'UTC')) AS last_received_at,
            toDateTime64(min(f.first_ts), 6, 'UTC') + toIntervalMillisecond(max(f.t_max_ms)) AS deadline,
            toDateTime64(YYYYMMDDToDate32(intDiv(f.bucket_id, 1000000)) + 1, 6, 'UTC') AS midnight,
            sum(f.trades) AS trades,
            sum(f.buy_trades) AS buy_trades,
            sum(f.vol) AS vol,
            sum(f.buy_vol) AS buy_vol,
            sum(f.notional) AS notional,
            sum(f.buy_notional) AS buy_notional,
            argMinMerge(f.open) AS open,
            max(f.high) AS high,
            min(f.low) AS low,
            argMaxMerge(f.close) AS close,
            max(f.cut) AS cut
        FROM marketprism_features.bucket_flow AS f
        WHERE f.bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64} + 1
            AND (
                {newest:UInt64} = 0
                OR (f.exchange, f.market_type, f.symbol, f.bucket_id) IN (
                    SELECT exchange, market_type, symbol, arrayJoin(arrayMap(back -> toUInt64(max(bucket_id) + 1 - back), range({newest:UInt64} + 1)))
                    FROM marketprism_features.bucket_flow
                    WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
                    GROUP BY exchange, market_type, symbol, intDiv(bucket_id, 1000000)
                )
            )
        GROUP BY f.exchange, f.market_type, f.symbol, f.bucket_id
    )
    WINDOW following AS (
        PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN CURRENT ROW AND 1 FOLLOWING
    ), preceding AS (
        PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
    )
) AS b
WHERE b.bucket_id <= {to_bucket:UInt64};
