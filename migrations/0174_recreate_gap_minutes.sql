-- name:      gap_minutes
-- purpose:   the minutes that an unrepaired hole of a data type touches: what makes a minute row's quality gap
-- grain:     one row per (exchange, market_type, symbol, of_type, ts_1m)
-- inputs:    marketprism_features.all_gaps, marketprism_features.bucket_days
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design: a hole that cannot be closed becomes a gaps row
--
-- Of a hole of several days: the day on which it begins, the one on which it ends, and those between that have trades. Who
-- joins minutes with rows finds none on the others, and a directory that rested for two years would have a million minutes
-- of each symbol in every read of a minute (measured: 4 holes, 3.8 million minutes, unified_features_1m above 2 GiB).
-- leak-ok: whole-history: which days have trades bounds the minutes that are listed, and they only mark a quality
CREATE OR REPLACE VIEW marketprism_features.gap_minutes
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    of_type LowCardinality(String) COMMENT 'data type with the hole: trades, orderbooks, …',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC'
)
COMMENT 'minutes touched by an unrepaired hole'
AS SELECT DISTINCT
    exchange,
    market_type,
    symbol,
    of_type,
    arrayJoin(arrayMap(
        minute -> toDateTime(minute * 60, 'UTC'),
        range(
            intDiv(greatest(toUnixTimestamp(toDateTime(hole_start, 'UTC')), toUnixTimestamp(toDateTime(day, 'UTC'))), 60),
            intDiv(least(toUnixTimestamp(toDateTime(hole_end, 'UTC')), toUnixTimestamp(toDateTime(day + 1, 'UTC')) - 1), 60) + 1
        )
    )) AS ts_1m
FROM
(
    SELECT
        h.exchange AS exchange,
        h.market_type AS market_type,
        h.symbol AS symbol,
        h.of_type AS of_type,
        h.hole_start AS hole_start,
        h.hole_end AS hole_end,
        arrayJoin(arrayDistinct(arrayConcat(
            [toDate(h.hole_start), toDate(h.hole_end)],
            arrayFilter(each -> each > toDate(h.hole_start) AND each < toDate(h.hole_end), d.days)
        ))) AS day
    FROM
    (
        SELECT exchange, market_type, symbol, of_type, from_sequence, to_sequence, min(from_time) AS hole_start, max(to_time) AS hole_end
        FROM marketprism_features.all_gaps
        GROUP BY exchange, market_type, symbol, of_type, from_sequence, to_sequence
        HAVING NOT max(repaired)
    ) AS h
    LEFT JOIN
    (
        SELECT exchange, market_type, symbol, groupUniqArray(day) AS days
        FROM marketprism_features.bucket_days
        GROUP BY exchange, market_type, symbol
    ) AS d ON d.exchange = h.exchange AND d.market_type = h.market_type AND d.symbol = h.symbol
);
