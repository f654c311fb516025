-- name:      book_days_between
-- purpose:   how well the books of each day cover it: what the manifest of day files says, of books from anywhere
-- grain:     one row per (exchange, market_type, symbol, day) that has books
-- inputs:    marketprism_features.lob_top5
-- time:      day
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, grid panels: docs/history.md
--
-- Parameters: exchange, market_type, from_day, to_day (both included), grid_ms, stale_ms. A day is known when it is over.
CREATE VIEW IF NOT EXISTS marketprism_features.book_days_between
COMMENT 'coverage and crossed share of the books of each day (parameters exchange, market_type, from_day, to_day, grid_ms, stale_ms)'
AS SELECT
    exchange,
    market_type,
    symbol,
    day,
    sum(c.cell_books) AS books,
    sum(c.cell_two_sided) AS two_sided,
    sum(c.cell_crossed) AS crossed,
    crossed / nullIf(two_sided, 0) AS crossed_ratio,
    length(arrayDistinct(arrayFlatten(groupArray(range(c.cell, intDiv(c.newest + {stale_ms:UInt32}, {grid_ms:UInt32}) + 1))))) * {grid_ms:UInt32} / 86400000 AS coverage,
    toDateTime64(day + 1, 6, 'UTC') AS available_at
FROM
(
    SELECT
        l.exchange AS exchange,
        l.market_type AS market_type,
        l.symbol AS symbol,
        toDate(l.timestamp) AS day,
        intDiv(toUnixTimestamp64Milli(l.timestamp) + {grid_ms:UInt32} - 1, {grid_ms:UInt32}) AS cell,
        count() AS cell_books,
        countIf(l.spread_bps IS NOT NULL) AS cell_two_sided,
        countIf(l.spread_bps <= 0) AS cell_crossed,
        least(max(toUnixTimestamp64Milli(l.timestamp)), toUnixTimestamp(toDateTime(day + 1, 'UTC')) * 1000 - 1 - {stale_ms:UInt32}) AS newest
    FROM marketprism_features.lob_top5 AS l
    WHERE l.exchange = {exchange:String} AND l.market_type = {market_type:String}
        AND l.timestamp >= toDateTime64({from_day:Date}, 3, 'UTC')
        AND l.timestamp < toDateTime64({to_day:Date} + 1, 3, 'UTC')
    GROUP BY exchange, market_type, symbol, day, cell
) AS c
GROUP BY exchange, market_type, symbol, day;
