CREATE VIEW marketprism_features.quoted_trades_between
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
    ((before.3) > 0) AND ((before.4) > 0) AND (dateDiff('millisecond', before.1, timestamp) <= 60000) AS is_quoted,
    is_quoted AND ((later.3) > 0) AND ((later.4) > 0) AND (dateDiff('millisecond', later.1, timestamp) <= 55000) AS is_settled,
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
        exchange,
        market_type,
        symbol,
        kind,
        ts,
        sequence,
        bucket,
        sign,
        trade_price,
        trade_quantity,
        receipt,
        anyLastIf(best, kind = 1) OVER so_far AS quote
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
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
        WHERE (bucket_id != 0) AND ((timestamp >= {from_ts:DateTime64(3)}) AND (timestamp <= {to_ts:DateTime64(3)}))
        UNION ALL
        SELECT
            exchange,
            market_type,
            symbol,
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
        WHERE (timestamp >= ({from_ts:DateTime64(3)} - toIntervalSecond(60))) AND (timestamp <= ({to_ts:DateTime64(3)} + toIntervalSecond(5)))
        UNION ALL
        SELECT
            exchange,
            market_type,
            symbol,
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
        WHERE (timestamp >= ({from_ts:DateTime64(3)} - toIntervalSecond(60))) AND (timestamp <= ({to_ts:DateTime64(3)} + toIntervalSecond(5)))
    )
    WINDOW so_far AS (PARTITION BY exchange, market_type, symbol ORDER BY ts ASC, kind ASC, sequence ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE kind != 1
GROUP BY
    exchange,
    market_type,
    symbol,
    sequence
