-- name:      tradable_universe
-- purpose:   which symbols may be traded on each day, judged by the days before it alone
-- grain:     one row per (exchange, market_type, symbol, day) that is in the universe
-- inputs:    marketprism_features.book_days_between
-- time:      day
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, grid panels; usual limits: coverage >= 0.90, crossed <= 0.001, 3,600 books at 1 s
--
-- Parameters: exchange, market_type, from_day, to_day (both included), lookback_days, min_coverage, max_crossed, min_books,
-- grid_ms, stale_ms. Day d is judged by the lookback_days days before d: mean coverage (a day without books counts as 0),
-- crossed share of all their books, and books a day. Day d itself is never looked at.
CREATE VIEW IF NOT EXISTS marketprism_features.tradable_universe
COMMENT 'symbols that may be traded on a day, as known at its start (parameters exchange, market_type, from_day, to_day, lookback_days, min_coverage, max_crossed, min_books, grid_ms, stale_ms)'
AS SELECT
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    d.day AS day,
    sum(b.coverage) / {lookback_days:UInt16} AS coverage,
    sum(b.crossed) / nullIf(sum(b.two_sided), 0) AS crossed_ratio,
    sum(b.books) / {lookback_days:UInt16} AS books,
    max(b.available_at) AS available_at
FROM
(
    SELECT {from_day:Date} + arrayJoin(range(toUInt32({to_day:Date} - {from_day:Date}) + 1)) AS day
) AS d
INNER JOIN marketprism_features.book_days_between(
    exchange = {exchange:String}, market_type = {market_type:String},
    from_day = {from_day:Date} - {lookback_days:UInt16}, to_day = {to_day:Date} - 1,
    grid_ms = {grid_ms:UInt32}, stale_ms = {stale_ms:UInt32}
) AS b ON b.day < d.day AND b.day >= d.day - {lookback_days:UInt16}
GROUP BY exchange, market_type, symbol, day
HAVING coverage >= {min_coverage:Float64} AND crossed_ratio <= {max_crossed:Float64} AND books >= {min_books:UInt64};
