-- name:      lob_dynamics_1m_between
-- purpose:   how fast liquidity came and went, and order flow imbalance, minute by minute, for a range of time
-- grain:     one row per (exchange, market_type, symbol, ts_1m)
-- inputs:    marketprism_features.all_orderbooks, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    Cont, Kukanov, Stoikov (2014), summed by the collector over every update; Xu, Gould, Howison (2019) by level
--
-- A book more than five seconds after the one before counts neither its time nor what was added and cancelled meanwhile:
-- quantity of one stretch over the seconds of another is no rate. Order flow imbalance is a sum, and whole.
-- Parameters from_ts and to_ts bound the exchange time, from the start of a minute.
-- What was received is on its way for a moment: the clock alone closes nothing before 3 s have passed.
CREATE OR REPLACE VIEW marketprism_features.lob_dynamics_1m_between
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
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3) OR b.observed_ms < 54000, 'partial', g.of_type != '', 'gap', 'ok') AS quality
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
            exchange, market_type, symbol, timestamp,
            bid_added_quantity, bid_cancelled_quantity, ask_added_quantity, ask_cancelled_quantity,
            ofi_l1 AS ofi,
            ofi_l5 AS ofi_levels,
            updates AS update_count,
            max(received_at) OVER before AS known,
            dateDiff('millisecond', lagInFrame(timestamp, 1, toDateTime64(0, 3, 'UTC')) OVER before, timestamp) AS since_ms
        FROM marketprism_features.all_orderbooks
        WHERE timestamp BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)}
        WINDOW before AS (
            PARTITION BY exchange, market_type, symbol ORDER BY timestamp, sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
        )
    )
    GROUP BY exchange, market_type, symbol, ts_1m
) AS b
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'orderbooks') AS g
    ON g.exchange = b.exchange AND g.market_type = b.market_type AND g.symbol = b.symbol AND g.ts_1m = b.ts_1m
WHERE b.ts_1m >= {from_ts:DateTime64(3)};
