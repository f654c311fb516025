-- name:      quoted_trades_between
-- purpose:   each trade with the best quote strictly before it, and with the quote five seconds after it once those have passed
-- grain:     one row per (exchange, market_type, symbol, sequence) of trades that bear buckets
-- inputs:    marketprism_features.all_trades, marketprism_features.all_best_quotes, marketprism_features.all_orderbooks
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    Huang, Stoll (1996); R highfrequency getLiquidityMeasures pairs in the same way, but counts its horizon in rows
--
-- Parameters from_ts and to_ts bound the exchange time of the trades, so that a read of an hour prunes partitions.
-- A quote of the trade's own millisecond may be its consequence, so "before" is strict. Where a symbol has no best_quotes,
-- the published books stand in: their best is up to 100 ms older. A quote older than 60 s, or one-sided, is none.
--
-- Trades (0), quotes (1) and the trades' horizons (2) are one sequence of events, as in mid_by_bucket_between. Nothing
-- here looks ahead: the horizon is an event of its own time, and settled_at says when its quote was known.
-- A receipt by a clock that is behind is before the trade's own time: available_at is the later of the two.
CREATE OR REPLACE VIEW marketprism_features.quoted_trades_between
COMMENT 'trades with the quote strictly before them (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    anyIf(ts, kind = 0) AS timestamp,
    sequence,
    anyIf(bucket, kind = 0) AS bucket_id,
    anyIf(sign, kind = 0) AS taker_sign,
    anyIf(trade_price, kind = 0) AS price,
    anyIf(trade_quantity, kind = 0) AS quantity,
    anyIf(quote, kind = 0) AS before,
    anyIf(quote, kind = 2) AS later,
    before.3 > 0 AND before.4 > 0 AND dateDiff('millisecond', before.1, timestamp) <= 60000 AS is_quoted,
    is_quoted AND later.3 > 0 AND later.4 > 0 AND dateDiff('millisecond', later.1, timestamp) <= 55000 AS is_settled,
    if(is_quoted, before.3, NULL) AS bid,
    if(is_quoted, before.4, NULL) AS ask,
    if(is_quoted, dateDiff('millisecond', before.1, timestamp), NULL) AS quote_age_ms,
    if(is_settled, later.3, NULL) AS later_bid,
    if(is_settled, later.4, NULL) AS later_ask,
    greatest(anyIf(receipt, kind = 0), before.2, toDateTime64(timestamp, 6, 'UTC')) AS available_at,
    greatest(available_at, later.2, toDateTime64(anyIf(ts, kind = 2), 6, 'UTC')) AS settled_at
FROM
(
    SELECT
        exchange, market_type, symbol, kind, ts, sequence, bucket, sign, trade_price, trade_quantity, receipt,
        anyLastIf(best, kind = 1) OVER so_far AS quote
    FROM
    (
        SELECT
            exchange, market_type, symbol,
            toUInt8(arrayJoin([0, 2])) AS kind,
            timestamp + toIntervalMillisecond(2500 * kind) AS ts,
            sequence,
            bucket_id AS bucket,
            toInt8(if(side = 'buy', 1, -1)) AS sign,
            price AS trade_price,
            quantity AS trade_quantity,
            received_at AS receipt,
            (timestamp, received_at, price, price) AS best
        FROM marketprism_features.all_trades
        WHERE bucket_id != 0 AND timestamp BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}
        UNION ALL
        SELECT
            exchange, market_type, symbol,
            toUInt8(1) AS kind,
            timestamp AS ts,
            sequence,
            toUInt64(0) AS bucket,
            toInt8(0) AS sign,
            bid_price AS trade_price,
            bid_price AS trade_quantity,
            received_at AS receipt,
            (timestamp, received_at, bid_price, ask_price) AS best
        FROM marketprism_features.all_best_quotes
        WHERE timestamp BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)} + toIntervalSecond(5)
        UNION ALL
        SELECT
            exchange, market_type, symbol,
            toUInt8(1) AS kind,
            timestamp AS ts,
            sequence,
            toUInt64(0) AS bucket,
            toInt8(0) AS sign,
            best_bid_price AS trade_price,
            best_bid_price AS trade_quantity,
            received_at AS receipt,
            (timestamp, received_at, best_bid_price, best_ask_price) AS best
        FROM marketprism_features.all_orderbooks
        WHERE timestamp BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)} + toIntervalSecond(5)
    )
    WINDOW so_far AS (
        PARTITION BY exchange, market_type, symbol ORDER BY ts, kind, sequence ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
WHERE kind != 1
GROUP BY exchange, market_type, symbol, sequence;
