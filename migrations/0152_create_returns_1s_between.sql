-- name:      returns_1s_between
-- purpose:   log returns over 1 s to 60 m of the clock, at each second that traded, for a range of time
-- grain:     one row per (exchange, market_type, symbol, ts_1s); seconds without a trade have no row
-- inputs:    marketprism_features.flow_1s, marketprism_features.gap_minutes
-- time:      ts_1s
-- freshness: when read
-- lookahead: none
-- source:    previous-tick sampling of last prices by sequence
--
-- The earlier price is the last one at or before the horizon's second; one older than 60 s there is none.
--
-- Parameters from_ts and to_ts bound the exchange time. Windows reach no further back than the range: a caller starts 62
-- minutes early. returns_1s is now its range form over all of time.
CREATE VIEW IF NOT EXISTS marketprism_features.returns_1s_between
COMMENT 'log returns over clock horizons, by second (parameters from_ts, to_ts)'
AS SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1s AS ts_1s,
    s.price AS close,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 61 PRECEDING AND 1 PRECEDING
    ), 0)) AS log_return_1s,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 65 PRECEDING AND 5 PRECEDING
    ), 0)) AS log_return_5s,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 70 PRECEDING AND 10 PRECEDING
    ), 0)) AS log_return_10s,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 90 PRECEDING AND 30 PRECEDING
    ), 0)) AS log_return_30s,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 120 PRECEDING AND 60 PRECEDING
    ), 0)) AS log_return_1m,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 360 PRECEDING AND 300 PRECEDING
    ), 0)) AS log_return_5m,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 960 PRECEDING AND 900 PRECEDING
    ), 0)) AS log_return_15m,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 1860 PRECEDING AND 1800 PRECEDING
    ), 0)) AS log_return_30m,
    log(s.price / nullIf(anyLast(s.price) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 3660 PRECEDING AND 3600 PRECEDING
    ), 0)) AS log_return_60m,
    greatest(max(s.receipt) OVER (
        PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 3660 PRECEDING AND CURRENT ROW
    ), toDateTime64(s.ts_1s + 1, 6, 'UTC')) AS available_at,
    multiIf(
        now64(6, 'UTC') < available_at, 'partial',
        countIf(g.of_type != '') OVER (
            PARTITION BY s.exchange, s.market_type, s.symbol ORDER BY toUnixTimestamp(s.ts_1s) RANGE BETWEEN 3660 PRECEDING AND CURRENT ROW
        ) > 0, 'gap',
        log_return_60m IS NULL, 'warmup',
        'ok'
    ) AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1s,
        toFloat64(argMaxMerge(close)) AS price,
        max(last_received_at) AS receipt
    FROM marketprism_features.flow_1s
    WHERE ts_1s BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}
    GROUP BY exchange, market_type, symbol, ts_1s
) AS s
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = s.exchange AND g.market_type = s.market_type AND g.symbol = s.symbol AND g.ts_1m = toStartOfMinute(s.ts_1s);

CREATE OR REPLACE VIEW marketprism_features.returns_1s
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1s DateTime('UTC') COMMENT 'start of the second, exchange time, UTC',
    close Float64 COMMENT 'last price by sequence, quote units',
    log_return_1s Nullable(Float64) COMMENT 'log of close over the price 1s before; NULL when that is older than 60 s',
    log_return_5s Nullable(Float64) COMMENT 'log of close over the price 5s before; NULL when that is older than 60 s',
    log_return_10s Nullable(Float64) COMMENT 'log of close over the price 10s before; NULL when that is older than 60 s',
    log_return_30s Nullable(Float64) COMMENT 'log of close over the price 30s before; NULL when that is older than 60 s',
    log_return_1m Nullable(Float64) COMMENT 'log of close over the price 1m before; NULL when that is older than 60 s',
    log_return_5m Nullable(Float64) COMMENT 'log of close over the price 5m before; NULL when that is older than 60 s',
    log_return_15m Nullable(Float64) COMMENT 'log of close over the price 15m before; NULL when that is older than 60 s',
    log_return_30m Nullable(Float64) COMMENT 'log of close over the price 30m before; NULL when that is older than 60 s',
    log_return_60m Nullable(Float64) COMMENT 'log of close over the price 60m before; NULL when that is older than 60 s',
    available_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')) COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the second is not over), gap (a hole in the trades of the last hour) or warmup (no price 60 minutes before)'
)
COMMENT 'log returns over clock horizons, by second'
AS SELECT * FROM marketprism_features.returns_1s_between(from_ts = '1970-01-02 00:00:00', to_ts = '2105-01-01 00:00:00');
