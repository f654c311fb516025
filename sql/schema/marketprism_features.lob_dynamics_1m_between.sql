CREATE VIEW marketprism_features.lob_dynamics_1m_between
COMMENT 'rates of added and cancelled liquidity and order flow imbalance, by minute (parameters from_ts, to_ts)'
AS SELECT
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    b.ts_1m AS ts_1m,
    toFloat64(b.bid_added) / nullIf(observed_s, 0) AS bid_add_rate,
    toFloat64(b.bid_cancelled) / nullIf(observed_s, 0) AS bid_cancel_rate,
    toFloat64(b.bid_added - b.bid_cancelled) / nullIf(observed_s, 0) AS bid_net_rate,
    toFloat64(b.ask_added) / nullIf(observed_s, 0) AS ask_add_rate,
    toFloat64(b.ask_cancelled) / nullIf(observed_s, 0) AS ask_cancel_rate,
    toFloat64(b.ask_added - b.ask_cancelled) / nullIf(observed_s, 0) AS ask_net_rate,
    toFloat64(b.flow_l1) AS ofi_l1,
    arrayMap(level -> toFloat64(level), b.flow_l5) AS ofi_l5,
    b.updates AS updates,
    b.books AS books,
    b.observed_ms / 1000 AS observed_s,
    greatest(b.known_at, toDateTime64(b.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf((now64(6, 'UTC') < (available_at + toIntervalSecond(3))) OR (b.observed_ms < 54000), 'partial', g.of_type != '', 'gap', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        sumIf(toDecimal256(bid_added_quantity, 12), since_ms <= 5000) AS bid_added,
        sumIf(toDecimal256(bid_cancelled_quantity, 12), since_ms <= 5000) AS bid_cancelled,
        sumIf(toDecimal256(ask_added_quantity, 12), since_ms <= 5000) AS ask_added,
        sumIf(toDecimal256(ask_cancelled_quantity, 12), since_ms <= 5000) AS ask_cancelled,
        sum(toDecimal256(ofi, 12)) AS flow_l1,
        sumForEach(arrayMap(level -> toDecimal256(level, 12), ofi_levels)) AS flow_l5,
        sum(toUInt64(update_count)) AS updates,
        count() AS books,
        sumIf(since_ms, since_ms <= 5000) AS observed_ms,
        max(known) AS known_at
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            timestamp,
            bid_added_quantity,
            bid_cancelled_quantity,
            ask_added_quantity,
            ask_cancelled_quantity,
            ofi_l1 AS ofi,
            ofi_l5 AS ofi_levels,
            updates AS update_count,
            max(received_at) OVER before AS known,
            dateDiff('millisecond', lagInFrame(timestamp, 1, toDateTime64(0, 3, 'UTC')) OVER before, timestamp) AS since_ms
        FROM marketprism_features.all_orderbooks
        WHERE (timestamp >= ({from_ts:DateTime64(3)} - toIntervalSecond(60))) AND (timestamp <= {to_ts:DateTime64(3)})
        WINDOW before AS (PARTITION BY exchange, market_type, symbol ORDER BY timestamp ASC, sequence ASC ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1m
) AS b
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'orderbooks'
) AS g ON (g.exchange = b.exchange) AND (g.market_type = b.market_type) AND (g.symbol = b.symbol) AND (g.ts_1m = b.ts_1m)
WHERE b.ts_1m >= {from_ts:DateTime64(3)}
