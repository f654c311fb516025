-- name:      serving_state
-- purpose:   the serving state of every symbol that traded lately and ever changed it
-- grain:     one row per (exchange, market_type, symbol) with a transition and a bucket of the last two days
-- inputs:    marketprism_features.serving_transitions, marketprism_features.bucket_flow
-- time:      since
-- freshness: when read
-- lookahead: none
-- source:    the row with the largest (since, created_at) is the state; a symbol without a row is healthy
--
-- Expired options keep their last state in serving_transitions for ever: a year of 400 a day is 146,000 symbols, which
-- every read of serving_features aggregated, and of which doctor said that they are degraded.
-- leak-ok: whole-history: the maximum bounds what is read; a state is the newest of its symbol
CREATE OR REPLACE VIEW marketprism_features.serving_state
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    state LowCardinality(String) COMMENT 'healthy, degraded or recovering',
    reason String COMMENT 'why, with its figure',
    since DateTime64(6, 'UTC') COMMENT 'from when the state holds, UTC',
    transitions UInt64 COMMENT 'changes of state on record'
)
COMMENT 'the serving state of every symbol that traded in the last two days of bucket_flow and ever changed it'
AS SELECT
    exchange,
    market_type,
    symbol,
    argMax(state, (t.since, t.created_at)) AS state,
    argMax(reason, (t.since, t.created_at)) AS reason,
    max(t.since) AS since,
    count() AS transitions
FROM marketprism_features.serving_transitions AS t
WHERE (exchange, market_type, symbol) IN (
    SELECT exchange, market_type, symbol FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000) FROM marketprism_features.bucket_flow)
)
GROUP BY exchange, market_type, symbol;
