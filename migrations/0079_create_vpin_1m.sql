-- name:      vpin_1m
-- purpose:   order-flow toxicity by minute: the time-bucket fallback of vpin_by_bucket
-- grain:     one row per (exchange, market_type, symbol, ts_1m); minutes without a trade have no row
-- inputs:    marketprism_features.trades_1m, marketprism_features.gap_minutes
-- time:      ts_1m
-- freshness: when read
-- lookahead: none
-- source:    Easley, Lopez de Prado, O'Hara (2012) with minutes in place of volume buckets, hence approximate
--
-- The mean is over five minutes of the clock; one of them without a trade leaves it NULL.
CREATE VIEW IF NOT EXISTS marketprism_features.vpin_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    vpin_approx Nullable(Float64) COMMENT '|buy - sell| / volume of the minute, 0 to 1',
    vpin_approx_5m Nullable(Float64) COMMENT 'mean of vpin_approx over this and the four minutes before; NULL unless all five traded',
    buy_volume Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    sell_volume Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    total_volume Decimal(38, 12) COMMENT 'volume, base units',
    window_minutes UInt64 COMMENT 'minutes with a trade in the window, this one included',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the period is not over), gap (an unrepaired hole in the data touches it), warmup (window not full) or stale (no fresh book)'
)
COMMENT 'approximate VPIN by minute and its mean over five minutes'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    toFloat64(abs(buy_volume - sell_volume)) / nullIf(toFloat64(total_volume), 0) AS vpin_approx,
    if(window_minutes = 5, window_sum / 5, NULL) AS vpin_approx_5m,
    buy_volume,
    sell_volume,
    total_volume,
    window_minutes,
    known_at AS available_at,
    multiIf(now64(6, 'UTC') < known_at, 'partial', window_gaps > 0, 'gap', window_minutes < 5, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        t.exchange AS exchange,
        t.market_type AS market_type,
        t.symbol AS symbol,
        t.ts_1m AS ts_1m,
        t.buy_volume AS buy_volume,
        t.sell_volume AS sell_volume,
        t.total_volume AS total_volume,
        toFloat64(abs(t.buy_volume - t.sell_volume)) / nullIf(toFloat64(t.total_volume), 0) AS toxicity,
        arraySum(groupArray(toxicity) OVER last_5) AS window_sum,
        count(toxicity) OVER last_5 AS window_minutes,
        max(t.available_at) OVER last_5 AS known_at,
        countIf(g.of_type != '') OVER last_5 AS window_gaps
    FROM marketprism_features.trades_1m AS t
    LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
        ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m
    WINDOW last_5 AS (
        PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY toUnixTimestamp(t.ts_1m) RANGE BETWEEN 240 PRECEDING AND CURRENT ROW
    )
);
