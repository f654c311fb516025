-- name:      mid_1m
-- purpose:   mid price by minute: the time-bucket fallback of mid_by_bucket
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a two-sided book have no row
-- inputs:    marketprism_hot.orderbooks
-- time:      ts_1m
-- freshness: on insert
-- lookahead: none
-- source:    last two-sided book of the minute by (timestamp, sequence); exact decimal sums behind the mean
CREATE TABLE IF NOT EXISTS marketprism_features.mid_1m_state
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    books SimpleAggregateFunction(sum, UInt64) COMMENT 'books with both sides',
    best_sum SimpleAggregateFunction(sum, Decimal(76, 12)) COMMENT 'sum of best bid + best ask, quote units',
    last_best AggregateFunction(argMax, Decimal(38, 12), Tuple(DateTime64(3, 'UTC'), UInt64)) COMMENT 'best bid + best ask of the last book, quote units',
    last_ts SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'exchange time of the last book, UTC',
    last_received_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'latest local receipt of a book, UTC'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMMDD(ts_1m)
ORDER BY (exchange, market_type, symbol, ts_1m)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'additive state of the mid price by minute; mid_1m reads it';

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.mid_1m_mv
TO marketprism_features.mid_1m_state
AS SELECT
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    toStartOfMinute(toDateTime(b.timestamp, 'UTC')) AS ts_1m,
    count() AS books,
    sum(toDecimal256(b.best_bid_price, 12) + b.best_ask_price) AS best_sum,
    argMaxState(b.best_bid_price + b.best_ask_price, (b.timestamp, b.sequence)) AS last_best,
    max(b.timestamp) AS last_ts,
    max(b.received_at) AS last_received_at
FROM marketprism_hot.orderbooks AS b
WHERE b.best_bid_price > 0 AND b.best_ask_price > 0
GROUP BY exchange, market_type, symbol, ts_1m;

CREATE VIEW IF NOT EXISTS marketprism_features.mid_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    mid Float64 COMMENT 'mid of the last book of the minute, quote units',
    mid_avg Float64 COMMENT 'mean mid over the minute\'s published books, quote units',
    books UInt64 COMMENT 'books with both sides in the minute',
    staleness_ms Int64 COMMENT 'from the last book to the end of the minute, milliseconds',
    available_at DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC'
)
COMMENT 'mid price by minute'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1m AS ts_1m,
    toFloat64(argMaxMerge(s.last_best)) / 2 AS mid,
    toFloat64(sum(s.best_sum)) / (2 * sum(s.books)) AS mid_avg,
    sum(s.books) AS books,
    dateDiff('millisecond', max(s.last_ts), toDateTime64(s.ts_1m + 60, 3, 'UTC')) AS staleness_ms,
    greatest(max(s.last_received_at), toDateTime64(s.ts_1m + 60, 6, 'UTC')) AS available_at
FROM marketprism_features.mid_1m_state AS s
GROUP BY s.exchange, s.market_type, s.symbol, s.ts_1m;
