CREATE VIEW marketprism_features.footprint_candidates_at
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
    if(((bin.4) < 5) AND ((abs(bin.3) / (bin.2)) < 0.2), 'absorption', 'exhaustion') AS candidate_type,
    (last_price / (bin.1)) - 1 AS return_since,
    multiIf(((exchange, market_type, symbol) IN (
        SELECT
            exchange,
            market_type,
            symbol
        FROM marketprism_features.gap_minutes
        WHERE (of_type = 'trades') AND (ts_1m >= ({run_at:DateTime64(3)} - toIntervalHour({hours:UInt32}))) AND (ts_1m <= {run_at:DateTime64(3)})
    )), 'gap', window_start > (({run_at:DateTime64(3)} - toIntervalHour({hours:UInt32})) + toIntervalMinute(10)), 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        argMax(bin_close, last_ts) AS last_price,
        min(first_ts) AS window_start,
        groupArray((px, toFloat64(bin_vol), toFloat64(bin_delta), range_bps)) AS all_bins,
        arrayReduce('quantileExactInclusive(0.9)', arrayMap(one -> (one.2), all_bins)) AS threshold,
        arrayJoin(arraySort(arrayFilter(one -> (((one.2) >= threshold) AND ((one.2) > 0) AND ((((one.4) < 5) AND ((abs(one.3) / (one.2)) < 0.2)) OR (((abs(one.3) / (one.2)) > 0.7) AND (sign((last_price / (one.1)) - 1) = (-sign(one.3)))))), all_bins))) AS bin
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
            arrayAvg(arraySort(groupArray((toFloat64(t.high - t.low) / toFloat64(t.open)) * 10000))) AS range_bps
        FROM marketprism_features.footprint_1m AS f
        INNER JOIN marketprism_features.trades_1m AS t ON (t.exchange = f.exchange) AND (t.market_type = f.market_type) AND (t.symbol = f.symbol) AND (t.ts_1m = f.ts_1m)
        WHERE (f.ts_1m >= ({run_at:DateTime64(3)} - toIntervalHour({hours:UInt32}))) AND (f.ts_1m <= {run_at:DateTime64(3)}) AND (t.available_at <= {run_at:DateTime64(3)}) AND (t.open > 0)
        GROUP BY
            f.exchange,
            f.market_type,
            f.symbol,
            f.tick_size,
            f.px_bin,
            px
    )
    WHERE last_ts <= {run_at:DateTime64(3)}
    GROUP BY
        exchange,
        market_type,
        symbol
)
