-- name:      excluded_intervals
-- purpose:   stretches of time that labels and training reads leave out: outages, abnormal jumps, and what a person names
-- grain:     one row per (exchange, market_type, symbol, from_time, to_time, cause)
-- inputs:    marketprism_features.all_gaps, marketprism_features.trades_1m, marketprism_features.excluded_by_hand
-- time:      from_time, to_time
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design; a jump is a minute whose high and low lie more than 10 % apart
CREATE TABLE IF NOT EXISTS marketprism_features.excluded_by_hand
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    from_time DateTime64(3, 'UTC') COMMENT 'first instant that is left out, exchange time, UTC',
    to_time DateTime64(3, 'UTC') COMMENT 'last instant that is left out, exchange time, UTC',
    reason String COMMENT 'why, in a person\'s words',
    created_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when the row was written, UTC'
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, from_time)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'stretches of time that a person has excluded; excluded_intervals reads it';

CREATE VIEW IF NOT EXISTS marketprism_features.excluded_intervals
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    from_time DateTime64(3, 'UTC') COMMENT 'first instant that is left out, exchange time, UTC',
    to_time DateTime64(3, 'UTC') COMMENT 'last instant that is left out, exchange time, UTC',
    cause String COMMENT 'gap in a data type, jump, or by hand with the reason',
    known_at DateTime64(6, 'UTC') COMMENT 'when the exclusion became known, UTC'
)
COMMENT 'stretches of time that labels and training reads leave out'
AS SELECT exchange, market_type, symbol, hole_start AS from_time, hole_end AS to_time, concat('gap in ', of_type) AS cause, known_at
FROM
(
    SELECT
        exchange, market_type, symbol, of_type, from_sequence, to_sequence,
        min(g.from_time) AS hole_start, max(g.to_time) AS hole_end, min(received_at) AS known_at
    FROM marketprism_features.all_gaps AS g
    GROUP BY exchange, market_type, symbol, of_type, from_sequence, to_sequence
    HAVING NOT max(repaired)
)
UNION ALL
SELECT
    exchange, market_type, symbol,
    toDateTime64(ts_1m, 3, 'UTC') AS from_time, toDateTime64(ts_1m + 60, 3, 'UTC') AS to_time, 'jump' AS cause, available_at AS known_at
FROM marketprism_features.trades_1m
WHERE toFloat64(high) > 1.1 * toFloat64(low)
UNION ALL
SELECT exchange, market_type, symbol, from_time, to_time, concat('by hand: ', reason) AS cause, created_at AS known_at
FROM marketprism_features.excluded_by_hand;
