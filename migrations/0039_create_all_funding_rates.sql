-- name:      all_funding_rates
-- purpose:   funding rates of hot and cold as one table, no row twice
-- grain:     one row per row of the raw tables
-- inputs:    marketprism_hot.funding_rates, marketprism_cold.funding_rates
-- time:      timestamp
-- freshness: when read
-- lookahead: none
-- source:    MarketPrism design, days
--
-- Where cold has a symbol-day, cold holds: archived days are still in hot for a while, and a day of an archive file is whole.
-- The list of symbol-days is a projection of cold: a few rows, whatever the table holds.
CREATE VIEW IF NOT EXISTS marketprism_features.all_funding_rates
(
    timestamp DateTime64(3, 'UTC') COMMENT 'exchange transaction time, UTC, milliseconds',
    received_at DateTime64(6, 'UTC') COMMENT 'local receipt by the collector, UTC, microseconds',
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    sequence UInt64 COMMENT 'the exchange\'s own monotonic id of the row within its symbol and data type',
    data_source LowCardinality(String) COMMENT 'marketprism (live), rest (repaired), archive or import',
    funding_rate Decimal(38, 12) COMMENT 'funding rate, fraction per interval',
    funding_kind LowCardinality(String) COMMENT 'predicted (running estimate), settled or continuous',
    funding_interval_h UInt16 COMMENT 'hours between settlements; 0 = not known',
    funding_time DateTime64(3, 'UTC') COMMENT 'settlement that the rate belongs to, UTC',
    next_funding_time DateTime64(3, 'UTC') COMMENT 'next settlement, UTC',
    mark_price Nullable(Decimal(38, 12)) COMMENT 'mark price, quote units, where the message carries it',
    index_price Nullable(Decimal(38, 12)) COMMENT 'index price, quote units, where the message carries it',
    stream_seq UInt64 COMMENT 'JetStream sequence of the frame that carried the row; 0 for rows that came another way',
    created_at DateTime64(6, 'UTC') COMMENT 'when ClickHouse stored the row, UTC, microseconds'
)
COMMENT 'funding rates of hot and cold as one'
AS SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    funding_rate,
    funding_kind,
    funding_interval_h,
    funding_time,
    next_funding_time,
    mark_price,
    index_price,
    stream_seq,
    created_at
FROM marketprism_cold.funding_rates
UNION ALL
SELECT
    timestamp,
    received_at,
    exchange,
    market_type,
    symbol,
    sequence,
    data_source,
    funding_rate,
    funding_kind,
    funding_interval_h,
    funding_time,
    next_funding_time,
    mark_price,
    index_price,
    stream_seq,
    created_at
FROM marketprism_hot.funding_rates
WHERE (exchange, market_type, symbol, toDate(timestamp)) NOT IN
(
    SELECT exchange, market_type, symbol, toDate(timestamp)
    FROM marketprism_cold.funding_rates
    GROUP BY exchange, market_type, symbol, toDate(timestamp)
);
