-- name:      lob_dynamics_1m
-- purpose:   how fast liquidity came and went, and order flow imbalance, by minute
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a book have no row
-- inputs:    marketprism_features.all_orderbooks, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    Cont, Kukanov, Stoikov (2014), summed by the collector over every update; Xu, Gould, Howison (2019) by level
--
-- A book row tells what happened since the row before it, so a rate divides by the time between them: observed_s, where
-- more than five seconds between two rows count as none. The sums are decimal, so their order does not matter.
CREATE VIEW IF NOT EXISTS marketprism_features.lob_dynamics_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    bid_add_rate Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    bid_cancel_rate Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    bid_net_rate Nullable(Float64) COMMENT 'bid quantity added less taken away per second, base units',
    ask_add_rate Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    ask_cancel_rate Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
    ask_net_rate Nullable(Float64) COMMENT 'ask quantity added less taken away per second, base units',
    ofi_l1 Float64 COMMENT 'order flow imbalance at the best level over every update of the minute, base units',
    ofi_l5 Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5 over every update of the minute, base units',
    updates UInt64 COMMENT 'book updates of the minute',
    books UInt64 COMMENT 'published books of the minute',
    observed_s Float64 COMMENT 'seconds of the minute that the books account for',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the minute is not over, or its books account for less than 54 s of it) or gap (an unrepaired hole touches it)'
)
COMMENT 'rates of added and cancelled liquidity and order flow imbalance, by minute'
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
    multiIf(now64(6, 'UTC') < available_at OR b.observed_ms < 54000, 'partial', g.of_type != '', 'gap', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        sum(toDecimal256(bid_added_quantity, 12)) AS bid_added,
        sum(toDecimal256(bid_cancelled_quantity, 12)) AS bid_cancelled,
        sum(toDecimal256(ask_added_quantity, 12)) AS ask_added,
        sum(toDecimal256(ask_cancelled_quantity, 12)) AS ask_cancelled,
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
        WINDOW before AS (
            PARTITION BY exchange, market_type, symbol ORDER BY timestamp, sequence ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
        )
    )
    GROUP BY exchange, market_type, symbol, ts_1m
) AS b
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'orderbooks') AS g
    ON g.exchange = b.exchange AND g.market_type = b.market_type AND g.symbol = b.symbol AND g.ts_1m = b.ts_1m;
