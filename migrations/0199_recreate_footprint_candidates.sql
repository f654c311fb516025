-- name:      footprint_candidates
-- purpose:   prices at which volume was absorbed, or at which one side exhausted itself, over 1 h, 4 h and 24 h
-- grain:     one row per (exchange, market_type, symbol, tick_size, px_bin) that is a candidate
-- inputs:    marketprism_features.footprint_1m, marketprism_features.trades_1m, marketprism_features.gap_minutes
-- time:      run_ts
-- freshness: refreshed every 5 minutes; ignore rows whose run_ts is older than 10 minutes
-- lookahead: none
-- source:    MarketPrism; thresholds are quantiles of the symbol's own window, and a reversal is one that has happened
--
-- footprint_candidates_at has parameters run_at and hours, and takes the minutes of the window that were complete and
-- received by run_at; the three tables are its answer at their refresh. A bin is a candidate from the 0.9 quantile of the
-- window's bins by volume: absorption where minutes stayed within 5 bps and the sides balance (|delta| under 0.2 of the
-- volume), exhaustion where one side had over 0.7 of it and the price has since moved against that side.
--
-- The refreshed tables hold the newest answer alone. footprint_candidates keeps those of the job of that name, three windows
-- a run, with when its rows were there: what unified features are joined to, and what history is filled with by
-- `features job footprint_candidates --from --to`.
CREATE OR REPLACE VIEW marketprism_features.footprint_candidates_at
COMMENT 'candidates of a window (parameters run_at, hours)'
AS SELECT
    exchange,
    market_type,
    symbol,
    {run_at:DateTime64(3)} AS run_ts,
    bin.1 AS cluster_price,
    bin.2 AS total_vol,
    bin.3 AS delta,
    bin.4 AS avg_range_bps,
    if(bin.4 < 5 AND abs(bin.3) / bin.2 < 0.2, 'absorption', 'exhaustion') AS candidate_type,
    last_price / bin.1 - 1 AS return_since,
    multiIf((exchange, market_type, symbol) IN (
        SELECT exchange, market_type, symbol FROM marketprism_features.gap_minutes
        WHERE of_type = 'trades' AND ts_1m >= {run_at:DateTime64(3)} - toIntervalHour({hours:UInt32}) AND ts_1m <= {run_at:DateTime64(3)}
    ), 'gap', window_start > {run_at:DateTime64(3)} - toIntervalHour({hours:UInt32}) + toIntervalMinute(10), 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        argMax(bin_close, last_ts) AS last_price,
        min(first_ts) AS window_start,
        groupArray((px, toFloat64(bin_vol), toFloat64(bin_delta), range_bps)) AS all_bins,
        arrayReduce('quantileExactInclusive(0.9)', arrayMap(one -> one.2, all_bins)) AS threshold,
        arrayJoin(arraySort(arrayFilter(
            one -> one.2 >= threshold AND one.2 > 0 AND (
                (one.4 < 5 AND abs(one.3) / one.2 < 0.2)
                OR (abs(one.3) / one.2 > 0.7 AND sign(last_price / one.1 - 1) = -sign(one.3))
            ),
            all_bins
        ))) AS bin
    FROM
    (
        SELECT
            f.exchange AS exchange,
            f.market_type AS market_type,
            f.symbol AS symbol,
            f.px AS px,
            sum(f.total_vol) AS bin_vol,
            sum(f.delta) AS bin_delta,
            max(f.ts_1m) AS last_ts,
            min(f.ts_1m) AS first_ts,
            argMax(toFloat64(t.close), f.ts_1m) AS bin_close,
            arrayAvg(arraySort(groupArray(toFloat64(t.high - t.low) / toFloat64(t.open) * 10000))) AS range_bps
        FROM marketprism_features.footprint_1m AS f
        INNER JOIN marketprism_features.trades_1m AS t
            ON t.exchange = f.exchange AND t.market_type = f.market_type AND t.symbol = f.symbol AND t.ts_1m = f.ts_1m
        WHERE f.ts_1m >= {run_at:DateTime64(3)} - toIntervalHour({hours:UInt32}) AND f.ts_1m <= {run_at:DateTime64(3)}
            AND t.available_at <= {run_at:DateTime64(3)}
            AND t.open > 0
        GROUP BY f.exchange, f.market_type, f.symbol, f.tick_size, f.px_bin, px
    )
    WHERE last_ts <= {run_at:DateTime64(3)}
    GROUP BY exchange, market_type, symbol
);

DROP VIEW IF EXISTS marketprism_features.footprint_candidates_1h;

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.footprint_candidates_1h
REFRESH EVERY 5 MINUTE
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    run_ts DateTime64(3, 'UTC') COMMENT 'when the window was looked at, UTC; ignore rows older than 10 minutes',
    cluster_price Float64 COMMENT 'price of the bin, quote units',
    total_vol Float64 COMMENT 'volume of the bin in the window, base units',
    delta Float64 COMMENT 'taker buys less taker sells of the bin in the window, base units',
    avg_range_bps Float64 COMMENT 'mean (high - low) / open of the minutes in which the bin traded, basis points',
    candidate_type LowCardinality(String) COMMENT 'absorption or exhaustion',
    return_since Float64 COMMENT 'last price over the price of the bin, less 1: what has happened since',
    quality LowCardinality(String) COMMENT 'ok, warmup (the window is not full yet) or gap (an unrepaired hole in the trades touches the window)'
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, cluster_price)
COMMENT 'absorption and exhaustion candidates of the last 1 h; refreshed every five minutes'
AS SELECT *
FROM marketprism_features.footprint_candidates_at(run_at = (SELECT now64(3, 'UTC')), hours = 1);

DROP VIEW IF EXISTS marketprism_features.footprint_candidates_4h;

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.footprint_candidates_4h
REFRESH EVERY 5 MINUTE
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    run_ts DateTime64(3, 'UTC') COMMENT 'when the window was looked at, UTC; ignore rows older than 10 minutes',
    cluster_price Float64 COMMENT 'price of the bin, quote units',
    total_vol Float64 COMMENT 'volume of the bin in the window, base units',
    delta Float64 COMMENT 'taker buys less taker sells of the bin in the window, base units',
    avg_range_bps Float64 COMMENT 'mean (high - low) / open of the minutes in which the bin traded, basis points',
    candidate_type LowCardinality(String) COMMENT 'absorption or exhaustion',
    return_since Float64 COMMENT 'last price over the price of the bin, less 1: what has happened since',
    quality LowCardinality(String) COMMENT 'ok, warmup (the window is not full yet) or gap (an unrepaired hole in the trades touches the window)'
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, cluster_price)
COMMENT 'absorption and exhaustion candidates of the last 4 h; refreshed every five minutes'
AS SELECT *
FROM marketprism_features.footprint_candidates_at(run_at = (SELECT now64(3, 'UTC')), hours = 4);

DROP VIEW IF EXISTS marketprism_features.footprint_candidates_24h;

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.footprint_candidates_24h
REFRESH EVERY 5 MINUTE
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    run_ts DateTime64(3, 'UTC') COMMENT 'when the window was looked at, UTC; ignore rows older than 10 minutes',
    cluster_price Float64 COMMENT 'price of the bin, quote units',
    total_vol Float64 COMMENT 'volume of the bin in the window, base units',
    delta Float64 COMMENT 'taker buys less taker sells of the bin in the window, base units',
    avg_range_bps Float64 COMMENT 'mean (high - low) / open of the minutes in which the bin traded, basis points',
    candidate_type LowCardinality(String) COMMENT 'absorption or exhaustion',
    return_since Float64 COMMENT 'last price over the price of the bin, less 1: what has happened since',
    quality LowCardinality(String) COMMENT 'ok, warmup (the window is not full yet) or gap (an unrepaired hole in the trades touches the window)'
)
ENGINE = MergeTree
ORDER BY (exchange, market_type, symbol, cluster_price)
COMMENT 'absorption and exhaustion candidates of the last 24 h; refreshed every five minutes'
AS SELECT *
FROM marketprism_features.footprint_candidates_at(run_at = (SELECT now64(3, 'UTC')), hours = 24);

CREATE TABLE IF NOT EXISTS marketprism_features.footprint_candidates
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    run_ts DateTime64(3, 'UTC') COMMENT 'when the window was looked at: its end, UTC',
    run_id String COMMENT 'the run in job_runs',
    available_at DateTime64(6, 'UTC') COMMENT 'run_ts and the time that the run took, UTC; as-of reads use it',
    hours UInt8 COMMENT 'length of the window: 1, 4 or 24 hours',
    cluster_price Float64 COMMENT 'price of the bin, quote units',
    total_vol Float64 COMMENT 'volume of the bin in the window, base units',
    delta Float64 COMMENT 'taker buys less taker sells of the bin in the window, base units',
    avg_range_bps Float64 COMMENT 'mean (high - low) / open of the minutes in which the bin traded, basis points',
    candidate_type LowCardinality(String) COMMENT 'absorption or exhaustion',
    return_since Float64 COMMENT 'last price over the price of the bin, less 1: what has happened since',
    quality LowCardinality(String) COMMENT 'ok, warmup (the window is not full yet) or gap (an unrepaired hole in the trades touches the window)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(run_ts)
ORDER BY (exchange, market_type, symbol, run_ts, hours, cluster_price)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_full_part_storage = 10485760
COMMENT 'absorption and exhaustion candidates of each run of the job: the history of the refreshed tables';
