-- name:      serving_transitions
-- purpose:   when a symbol left its bucket features for minute features, and when it came back
-- grain:     one row per change of state of (exchange, market_type, symbol)
-- inputs:    marketprism_features.unified_buckets
-- time:      since
-- freshness: the health check of the monitors looks every few seconds; a change is here within 10 s
-- lookahead: none
-- source:    MarketPrism design: buckets stale > 300 s or hourly p90 length > 120 s degrade, ten complete fresh buckets restore
--
-- The contract between the health check, which writes, and serving_features, which reads:
--   * One row per TRANSITION, none while a state lasts. A symbol without a row is healthy.
--   * healthy -> degraded    its newest closed bucket is older than 300 s ('stale …'), or the 0.9 quantile of the lengths of
--                            the buckets closed within the last hour is above 120 s ('slow …')
--     degraded -> recovering the first complete bucket after which neither holds
--     recovering -> degraded one of them holds again
--     recovering -> healthy  ten complete fresh buckets in a row since it began to recover
--   * Only healthy serves bucket features; degraded and recovering serve minute features.
--   * since is the instant from which the state holds, by the clock of the writer; the row with the largest (since,
--     created_at) is the state. Rows are never changed: what was served when can be told later.
--   * Inserts carry a deduplication token, as every insert into a table with a window.
-- serving_features does not trust a writer that is down: a bucket older than 300 s when read is not served, whatever
-- the last row says.
CREATE TABLE IF NOT EXISTS marketprism_features.serving_transitions
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    state LowCardinality(String) COMMENT 'healthy, degraded or recovering',
    reason String COMMENT 'what was seen, with its figure: stale 312 s, slow p90 131 s, 10 fresh buckets',
    since DateTime64(6, 'UTC') COMMENT 'from when the state holds, by the writer\'s clock, UTC',
    created_at DateTime64(6, 'UTC') DEFAULT now64(6, 'UTC') COMMENT 'when the row was written, UTC',
    CONSTRAINT known_state CHECK state IN ('healthy', 'degraded', 'recovering')
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, since)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'changes between bucket and minute features; serving_state shows the newest';

CREATE VIEW IF NOT EXISTS marketprism_features.serving_state
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    state LowCardinality(String) COMMENT 'healthy, degraded or recovering',
    reason String COMMENT 'why, with its figure',
    since DateTime64(6, 'UTC') COMMENT 'from when the state holds, UTC',
    transitions UInt64 COMMENT 'changes of state on record'
)
COMMENT 'the serving state of every symbol that ever changed it'
AS SELECT
    exchange,
    market_type,
    symbol,
    argMax(state, (t.since, t.created_at)) AS state,
    argMax(reason, (t.since, t.created_at)) AS reason,
    max(t.since) AS since,
    count() AS transitions
FROM marketprism_features.serving_transitions AS t
GROUP BY exchange, market_type, symbol;
