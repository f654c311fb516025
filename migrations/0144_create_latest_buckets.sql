-- name:      latest_buckets
-- purpose:   the newest closed bucket of every symbol with its impact, mid and volume profile; latest_features reads it
-- grain:     one row per (exchange, market_type, symbol) that traded in the last two days of bucket_flow
-- inputs:    marketprism_features.recent_buckets, marketprism_features.footprint_by_bucket_state, marketprism_features.lob_top5
-- time:      bucket_ts_end
-- freshness: refreshed every second, after recent_buckets
-- lookahead: none
-- source:    the inputs' own; a test compares the row with unified_features_by_bucket column by column
--
-- Nine tenths of a refresh is planning, and planning grows with the depth of subqueries far faster than with rows: each
-- column is known by the whole tree below it. So latest_features is made in three shallow steps through tables in memory, and
-- the volume profile is written with arrays in place of the five nested windows of footprint_profile_by_bucket, which it equals.
-- optimize_and_compare_chain compares whole trees at every join; it finds nothing here.
-- leak-ok: whole-history: one row per symbol, the newest closed when refreshed; the maxima bound what is read
-- leak-ok: latest-row: one row per symbol, the newest closed when refreshed; nothing older is joined to it
CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.latest_buckets
REFRESH EVERY 1 SECOND DEPENDS ON marketprism_features.recent_buckets
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_start DateTime64(3, 'UTC') COMMENT 'earliest exchange time of a trade of the bucket, UTC',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    available_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when the last close of its windows became knowable, UTC; as-of reads use it',
    trades UInt64 COMMENT 'number of trades',
    buy_trades UInt64 COMMENT 'number of taker buys',
    vol Decimal(38, 12) COMMENT 'volume, base units',
    buy_vol Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    sell_vol Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    notional Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    buy_notional Decimal(76, 24) COMMENT 'sum of price * quantity of taker buys, quote units',
    vwap Nullable(Float64) COMMENT 'notional / volume, quote units',
    open Decimal(38, 12) COMMENT 'first price by sequence, quote units',
    high Decimal(38, 12) COMMENT 'highest price, quote units',
    low Decimal(38, 12) COMMENT 'lowest price, quote units',
    close Decimal(38, 12) COMMENT 'last price by sequence, quote units',
    cut_trigger LowCardinality(String) COMMENT 'volume, count, event, time or day',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    price_change Decimal(38, 12) COMMENT 'close - open, quote units',
    kyle_lambda Nullable(Float64) COMMENT 'price_change / signed_volume; NULL without signed volume',
    kyle_lambda_ols Nullable(Float64) COMMENT 'slope of price_change on signed_volume over 50 closed buckets; NULL below 50',
    kyle_r2 Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    amihud_illiq Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    vpin Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume over 50 closed buckets; NULL below 50',
    imbalance Nullable(Float64) COMMENT '|buy - sell| / volume, 0 to 1',
    window_buckets UInt64 COMMENT 'closed buckets in the window, this one included; at most 50',
    mid Nullable(Float64) COMMENT 'mid as of the bucket\'s end, quote units; NULL when the book is older than 60 s or one-sided',
    mid_avg Nullable(Float64) COMMENT 'mean mid over the books published in the bucket, quote units',
    mid_staleness_ms Nullable(Int64) COMMENT 'age of the book behind mid at the bucket\'s end, milliseconds',
    poc_px Nullable(Float64) COMMENT 'price bin with the largest volume (the lowest of equals), quote units',
    value_area_low Nullable(Float64) COMMENT 'lowest price of the 70 % value area, quote units',
    value_area_high Nullable(Float64) COMMENT 'highest price of the 70 % value area, quote units',
    range_bps Nullable(Float64) COMMENT '(high - low) / open * 10000, basis points',
    quality LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets), gap (the window touches a hole in the trades) or stale (no book within 3 s of the end)'
)
ENGINE = Memory
EMPTY
COMMENT 'newest closed bucket of every symbol with impact, mid and volume profile; refreshed every second'
AS SELECT
    b.exchange AS exchange,
    b.market_type AS market_type,
    b.symbol AS symbol,
    b.bucket_id AS bucket_id,
    b.bucket_ts_start AS bucket_ts_start,
    b.bucket_ts_end AS bucket_ts_end,
    b.available_at AS available_at,
    b.trades AS trades,
    b.buy_trades AS buy_trades,
    b.vol AS vol,
    b.buy_vol AS buy_vol,
    b.sell_vol AS sell_vol,
    b.notional AS notional,
    b.buy_notional AS buy_notional,
    b.vwap AS vwap,
    b.open AS open,
    b.high AS high,
    b.low AS low,
    b.close AS close,
    b.cut_trigger AS cut_trigger,
    b.signed_volume AS signed_volume,
    b.price_change AS price_change,
    b.kyle_lambda AS kyle_lambda,
    b.kyle_lambda_ols AS kyle_lambda_ols,
    b.kyle_r2 AS kyle_r2,
    b.amihud_illiq AS amihud_illiq,
    b.vpin AS vpin,
    b.imbalance AS imbalance,
    b.window_buckets AS window_buckets,
    if(mid_staleness_ms <= 60000, nullIf(l.as_of.3, 0), NULL) AS mid,
    toFloat64(l.mid_sum) / nullIf(l.mids, 0) AS mid_avg,
    if(l.bucket_id = 0 OR l.as_of.1 = 0, NULL, dateDiff('millisecond', l.as_of.1, b.bucket_ts_end)) AS mid_staleness_ms,
    if(p.bucket_id = 0, NULL, p.poc_px) AS poc_px,
    if(p.bucket_id = 0, NULL, arrayMin(p.area)) AS value_area_low,
    if(p.bucket_id = 0, NULL, arrayMax(p.area)) AS value_area_high,
    toFloat64(b.high - b.low) / nullIf(toFloat64(b.open), 0) * 10000 AS range_bps,
    multiIf(b.quality != 'ok', b.quality, mid IS NULL OR mid_staleness_ms > 3000, 'stale', 'ok') AS quality
FROM
(
    SELECT *
    FROM marketprism_features.recent_buckets
    ORDER BY bucket_id DESC
    LIMIT 1 BY exchange, market_type, symbol
) AS b
LEFT JOIN
(
    SELECT
        e.exchange AS exchange,
        e.market_type AS market_type,
        e.symbol AS symbol,
        e.bucket_id AS bucket_id,
        maxIf((t.timestamp, t.sequence, ifNull(t.mid_price, 0)), t.timestamp <= e.bucket_ts_end) AS as_of,
        sumIf(toDecimal128(ifNull(t.mid_price, 0), 12), t.timestamp BETWEEN e.bucket_ts_start AND e.bucket_ts_end) AS mid_sum,
        countIf(t.mid_price > 0 AND t.timestamp BETWEEN e.bucket_ts_start AND e.bucket_ts_end) AS mids
    FROM marketprism_features.lob_top5 AS t
    INNER JOIN
    (
        SELECT exchange, market_type, symbol, bucket_id, bucket_ts_start, bucket_ts_end
        FROM marketprism_features.recent_buckets
        ORDER BY bucket_id DESC
        LIMIT 1 BY exchange, market_type, symbol
    ) AS e
        ON e.exchange = t.exchange AND e.market_type = t.market_type AND e.symbol = t.symbol
    WHERE (t.exchange, t.market_type, t.symbol, toStartOfMinute(t.timestamp)) IN (
        SELECT exchange, market_type, symbol, arrayJoin(arrayMap(
            minute -> toDateTime64(toDateTime(minute * 60, 'UTC'), 3, 'UTC'),
            range(toUInt32(intDiv(toUnixTimestamp(argMax(bucket_ts_start, bucket_id)), 60) - 1), toUInt32(intDiv(toUnixTimestamp(argMax(bucket_ts_end, bucket_id)), 60) + 1))
        ))
        FROM marketprism_features.recent_buckets
        GROUP BY exchange, market_type, symbol
    )
    GROUP BY e.exchange, e.market_type, e.symbol, e.bucket_id
) AS l
    ON l.exchange = b.exchange AND l.market_type = b.market_type AND l.symbol = b.symbol AND l.bucket_id = b.bucket_id
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        poc_px,
        arrayConcat([poc_px], arrayMap(
            step -> step.1,
            arrayFilter(
                (step, taken) -> 10 * (toDecimal256(taken - step.2, 12) + poc_volume) < 7 * toDecimal256(all_volume, 12),
                steps,
                arrayCumSum(arrayMap(step -> step.2, steps))
            )
        )) AS area
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            bins[poc].1 AS poc_px,
            volumes[poc] AS poc_volume,
            arraySum(volumes) AS all_volume,
            arrayMap(step -> (step.4, step.5), arraySort(step -> (-step.1, step.2, step.3), arrayConcat(
                arrayMap(
                    (bin, reach, away) -> (reach, 0, away, bin.1, bin.3),
                    above,
                    arrayReduceInRanges('min', arrayMap(away -> (1, away), arrayEnumerate(above)), arrayMap(bin -> bin.3, above)),
                    arrayEnumerate(above)
                ),
                arrayMap(
                    (bin, reach, away) -> (reach, 1, away, bin.1, bin.3),
                    below,
                    arrayReduceInRanges('min', arrayMap(away -> (1, away), arrayEnumerate(below)), arrayMap(bin -> bin.3, below)),
                    arrayEnumerate(below)
                )
            ))) AS steps
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                bucket_id,
                bins,
                volumes,
                poc,
                arraySlice(bins, poc + 1) AS above,
                arrayReverse(arraySlice(bins, 1, poc - 1)) AS below
            FROM
            (
                SELECT exchange, market_type, symbol, bucket_id, bins, volumes, indexOf(volumes, arrayMax(volumes)) AS poc
                FROM
                (
                    SELECT
                        exchange,
                        market_type,
                        symbol,
                        bucket_id,
                        arraySort(groupArray((px, tick_size, volume))) AS bins,
                        arrayMap(bin -> bin.3, bins) AS volumes
                    FROM
                    (
                        SELECT
                            s.exchange AS exchange,
                            s.market_type AS market_type,
                            s.symbol AS symbol,
                            s.bucket_id AS bucket_id,
                            s.tick_size AS tick_size,
                            toFloat64(toDecimal256(s.tick_size, 12) * s.px_bin) AS px,
                            sum(s.ask_vol) + sum(s.bid_vol) AS volume
                        FROM marketprism_features.footprint_by_bucket_state AS s
                        WHERE (s.exchange, s.market_type, s.symbol, s.bucket_id) IN (
                            SELECT exchange, market_type, symbol, max(bucket_id) FROM marketprism_features.recent_buckets GROUP BY exchange, market_type, symbol
                        )
                        GROUP BY s.exchange, s.market_type, s.symbol, s.bucket_id, s.tick_size, s.px_bin
                    )
                    GROUP BY exchange, market_type, symbol, bucket_id
                )
            )
        )
    )
) AS p
    ON p.exchange = b.exchange AND p.market_type = b.market_type AND p.symbol = b.symbol AND p.bucket_id = b.bucket_id
SETTINGS max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0, optimize_and_compare_chain = 0;
