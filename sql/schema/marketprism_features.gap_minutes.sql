CREATE VIEW marketprism_features.gap_minutes
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `of_type` LowCardinality(String) COMMENT 'data type with the hole: trades, orderbooks, …',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC'
)
COMMENT 'minutes touched by an unrepaired hole'
AS SELECT DISTINCT
    exchange,
    market_type,
    symbol,
    of_type,
    arrayJoin(arrayMap(minute -> toDateTime(minute * 60, 'UTC'), range(intDiv(toUnixTimestamp(toDateTime(hole_start, 'UTC')), 60), intDiv(toUnixTimestamp(toDateTime(hole_end, 'UTC')), 60) + 1))) AS ts_1m
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        of_type,
        from_sequence,
        to_sequence,
        min(from_time) AS hole_start,
        max(to_time) AS hole_end
    FROM marketprism_features.all_gaps
    GROUP BY
        exchange,
        market_type,
        symbol,
        of_type,
        from_sequence,
        to_sequence
    HAVING NOT max(repaired)
)
