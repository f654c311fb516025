CREATE VIEW marketprism_features.mid_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `mid` Float64 COMMENT 'mid of the last book of the minute, quote units',
    `mid_avg` Float64 COMMENT 'mean mid over the minute\'s published books, quote units',
    `books` UInt64 COMMENT 'books with both sides in the minute',
    `staleness_ms` Int64 COMMENT 'from the last book to the end of the minute, milliseconds',
    `available_at` DateTime64(6, 'UTC') COMMENT 'the later of the minute\'s end and the last receipt in it, UTC',
    `quality` LowCardinality(String) COMMENT 'ok, partial (rows may still be on their way), gap (an unrepaired hole in the books touches the minute) or stale (the last book is older than 3 s at the minute\'s end)'
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
    greatest(max(s.last_received_at), toDateTime64(s.ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', ((s.exchange, s.market_type, s.symbol, s.ts_1m) IN (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m
        FROM marketprism_features.gap_minutes
        WHERE of_type = 'orderbooks'
    )), 'gap', staleness_ms > 3000, 'stale', 'ok') AS quality
FROM marketprism_features.mid_1m_state AS s
GROUP BY
    s.exchange,
    s.market_type,
    s.symbol,
    s.ts_1m
