CREATE VIEW marketprism_features.serving_state
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `state` LowCardinality(String) COMMENT 'healthy, degraded or recovering',
    `reason` String COMMENT 'why, with its figure',
    `since` DateTime64(6, 'UTC') COMMENT 'from when the state holds, UTC',
    `transitions` UInt64 COMMENT 'changes of state on record'
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
    SELECT
        exchange,
        market_type,
        symbol
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT toUInt64(greatest(max(bucket_id), 2000000) - 2000000)
        FROM marketprism_features.bucket_flow
    )
)
GROUP BY
    exchange,
    market_type,
    symbol
