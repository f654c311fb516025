-- name:      latest_features
-- purpose:   the newest closed bucket of every symbol with all its features, and the newest book: made for polling
-- grain:     one row per (exchange, market_type, symbol) that traded in the last two days of bucket_flow
-- inputs:    marketprism_features.latest_buckets, marketprism_features.lob_top5, marketprism_features.mid_1m_state, marketprism_features.latest_details, marketprism_features.latest_impact
-- time:      bucket_ts_end
-- freshness: refreshed every second, its groups every minute
-- lookahead: none
-- source:    the inputs' own; a test compares the row with unified_features_by_bucket column by column
--
-- Only the newest minute of books is read here; latest_buckets says why what belongs to the bucket is made there.
-- A refresh replaces the table: APPEND would write a part a second and leave every reader to choose the newest row.
-- One thread and no compilation: the work is small, and both cost more than they save on it.
-- In memory, made anew after a start: a reader pays for no part, mark or file. What is dear to compute stands in groups,
-- tuples of the newest closed bucket that latest_details (every minute) and latest_impact (every 5 minutes) last saw:
-- details_bucket_id and impact_bucket_id name it, details_staleness_ms and impact_staleness_ms its age.
-- A table that latest_features_mv replaces, and no longer the view itself: to read through a view costs each of its 62 columns
-- once more, a fifth of the read (tests/bench/bench_features.py).
-- leak-ok: whole-history: one row per symbol, the newest known when refreshed; the maxima bound what is read
DROP VIEW IF EXISTS marketprism_features.latest_features_mv;

DROP TABLE IF EXISTS marketprism_features.latest_features;

CREATE TABLE IF NOT EXISTS marketprism_features.latest_features
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
    book_timestamp Nullable(DateTime64(3, 'UTC')) COMMENT 'exchange time of the newest published book, UTC',
    mid_price Nullable(Float64) COMMENT 'mid of the newest published book, quote units',
    tob_imbalance Nullable(Float64) COMMENT 'queue imbalance at the best of the newest published book, -1 to 1',
    weighted_imbalance_5 Nullable(Float64) COMMENT 'weighted imbalance of five levels of the newest published book, -1 to 1',
    microprice Nullable(Float64) COMMENT 'microprice of the newest published book, quote units',
    spread_bps Nullable(Float64) COMMENT 'spread of the newest published book, basis points',
    details_bucket_id Nullable(UInt64) COMMENT 'bucket of the groups from trend_state to candidates',
    details_staleness_ms Nullable(Int64) COMMENT 'from their availability to updated_at, milliseconds',
    details_quality LowCardinality(Nullable(String)) COMMENT 'what the groups are worth: ok, gap (a hole touches a window of them), warmup (a window is not full) or stale (a book or a quote was missing or older than 3 s)',
    trend_state Nullable(String) COMMENT 'up, flat or down: as trend_state_by_bucket',
    returns Tuple(log_return_1 Nullable(Float64), log_return_3 Nullable(Float64), log_return_5 Nullable(Float64), log_return_10 Nullable(Float64), log_return_30 Nullable(Float64), log_return_60 Nullable(Float64), momentum_3 Nullable(Float64), momentum_5 Nullable(Float64), momentum_10 Nullable(Float64), momentum_30 Nullable(Float64), momentum_60 Nullable(Float64), drawdown_60 Nullable(Float64), price_volume_momentum_10 Nullable(Float64), trade_impulse Nullable(Float64)) COMMENT 'returns over closed buckets: as returns_by_bucket',
    volatility Tuple(realised_variance Nullable(Float64), bipower_variance Nullable(Float64), medrv Nullable(Float64), minrv Nullable(Float64), semivariance_down Nullable(Float64), semivariance_up Nullable(Float64), tripower_quarticity Nullable(Float64), jump_share Nullable(Float64), bns_z Nullable(Float64), bns_ratio_z Nullable(Float64), lee_mykland Nullable(Float64), is_jump Nullable(UInt8), corwin_schultz_bps Nullable(Float64)) COMMENT 'variance and jumps over 50 closed buckets: as volatility_by_bucket',
    bulk Tuple(bvc_buy_volume Nullable(Float64), bvc_sell_volume Nullable(Float64), bvc_imbalance Nullable(Float64), vpin_bvc Nullable(Float64)) COMMENT 'bulk volume classification: as bulk_volume_by_bucket',
    flow Tuple(flow_imbalance Nullable(Float64), cvd Nullable(Float64), cvd_gaps Nullable(UInt64), avg_trade_size Nullable(Float64), avg_trade_quote Nullable(Float64), trades_per_s Nullable(Float64), quote_per_s Nullable(Float64), direction_persistence Nullable(Float64), large_buy_quote Nullable(Float64), large_sell_quote Nullable(Float64), retail_buy_quote Nullable(Float64), retail_sell_quote Nullable(Float64), large_imbalance Nullable(Float64), retail_imbalance Nullable(Float64), buy_hhi Nullable(Float64), sell_hhi Nullable(Float64), tw_cvd Nullable(Float64), roll_spread_bps Nullable(Float64)) COMMENT 'who trades how: as trade_flow_by_bucket',
    spreads Tuple(effective_spread Nullable(Float64), quoted_spread Nullable(Float64), spread_ratio Nullable(Float64)) COMMENT 'what takers paid, basis points: as spreads_by_bucket',
    book Tuple(spread_bps Nullable(Float64), microprice Nullable(Float64), weighted_mid Nullable(Float64), imbalance_1 Nullable(Float64), imbalance_5 Nullable(Float64), imbalance_10 Nullable(Float64), imbalance_20 Nullable(Float64), bid_depth_5 Nullable(Float64), ask_depth_5 Nullable(Float64), bid_depth_10 Nullable(Float64), ask_depth_10 Nullable(Float64), bid_depth_20 Nullable(Float64), ask_depth_20 Nullable(Float64), bid_density_10 Nullable(Float64), ask_density_10 Nullable(Float64), bid_slope_10 Nullable(Float64), ask_slope_10 Nullable(Float64), bid_convexity_10 Nullable(Float64), ask_convexity_10 Nullable(Float64), bid_tail_width_bps Nullable(Float64), ask_tail_width_bps Nullable(Float64), buy_impact_bps Nullable(Float64), sell_impact_bps Nullable(Float64), impact_linear Nullable(Float64), impact_sqrt Nullable(Float64), bid_entropy Nullable(Float64), ask_entropy Nullable(Float64), bid_gravity_bps Nullable(Float64), ask_gravity_bps Nullable(Float64), shape_staleness_ms Nullable(Int64)) COMMENT 'shape of the book as of the bucket\'s end: as book_features_by_bucket',
    dynamics Tuple(bid_add_rate Nullable(Float64), bid_cancel_rate Nullable(Float64), bid_net_rate Nullable(Float64), ask_add_rate Nullable(Float64), ask_cancel_rate Nullable(Float64), ask_net_rate Nullable(Float64), ofi_l1 Nullable(Float64), ofi_l5 Array(Float64), book_updates Nullable(UInt64), books Nullable(UInt64)) COMMENT 'liquidity that came and went per second, and order flow imbalance: as lob_dynamics_by_bucket',
    settled Tuple(realised_spread Nullable(Float64), price_impact Nullable(Float64), realised_staleness_ms Nullable(Int64)) COMMENT 'realised spread and price impact after five seconds, basis points: as unified_features_by_bucket',
    clusters Tuple(trade_clusters Nullable(UInt32), largest_cluster_volume Nullable(Float64), mean_cluster_density Nullable(Float64), buy_cluster_share Nullable(Float64), sell_cluster_share Nullable(Float64), clusters_staleness_ms Nullable(Int64)) COMMENT 'clusters of trades by DBSCAN: as trade_clusters',
    levels Tuple(resistance Nullable(Float64), support Nullable(Float64), resistance_bps Nullable(Float64), support_bps Nullable(Float64), level_log_ratio Nullable(Float64), clusters Nullable(UInt64), staleness_ms Nullable(Int64)) COMMENT 'resistance above and support below the close: as dynamic_levels',
    candidates Tuple(candidates_1h Nullable(UInt32), candidates_4h Nullable(UInt32), candidates_24h Nullable(UInt32), absorption_bps Nullable(Float64), exhaustion_bps Nullable(Float64), candidates_staleness_ms Nullable(Int64)) COMMENT 'absorption and exhaustion candidates of the newest job run, at most 600 s old: as unified_features_by_bucket',
    impact_bucket_id Nullable(UInt64) COMMENT 'bucket of the group impact',
    impact_staleness_ms Nullable(Int64) COMMENT 'from their availability to updated_at, milliseconds',
    impact Tuple(kyle_lambda_mid Nullable(Float64), kyle_mid_stderr Nullable(Float64), kyle_mid_r2 Nullable(Float64), kyle_lambda_wls Nullable(Float64), kyle_wls_stderr Nullable(Float64), kyle_wls_r2 Nullable(Float64), hasbrouck_lambda Nullable(Float64), hasbrouck_t Nullable(Float64), amihud_lambda Nullable(Float64), amihud_mean Nullable(Float64)) COMMENT 'price impact by regression over 50 closed buckets: as impact_by_bucket',
    quality LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets), gap (the window touches a hole in the trades) or stale (no book within 3 s of the end)',
    updated_at DateTime64(6, 'UTC') COMMENT 'when this table was refreshed, UTC',
    staleness_ms Int64 COMMENT 'from available_at to updated_at, milliseconds; now() - updated_at comes on top',
    book_staleness_ms Nullable(Int64) COMMENT 'from book_timestamp to updated_at, milliseconds'
)
ENGINE = Memory
COMMENT 'newest closed bucket of every symbol with all its features; refreshed every second';

CREATE MATERIALIZED VIEW IF NOT EXISTS marketprism_features.latest_features_mv
REFRESH EVERY 1 SECOND TO marketprism_features.latest_features
COMMENT 'makes latest_features anew each second'
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
    b.mid AS mid,
    b.mid_avg AS mid_avg,
    b.mid_staleness_ms AS mid_staleness_ms,
    b.poc_px AS poc_px,
    b.value_area_low AS value_area_low,
    b.value_area_high AS value_area_high,
    b.range_bps AS range_bps,
    if(l.newest.1 = 0, NULL, l.newest.1) AS book_timestamp,
    l.newest.2 AS mid_price,
    l.newest.3 AS tob_imbalance,
    l.newest.4 AS weighted_imbalance_5,
    l.newest.5 AS microprice,
    l.newest.6 AS spread_bps,
    if(d.bucket_id = 0, NULL, d.bucket_id) AS details_bucket_id,
    if(d.bucket_id = 0, NULL, dateDiff('millisecond', d.available_at, updated_at)) AS details_staleness_ms,
    if(d.bucket_id = 0, NULL, d.quality) AS details_quality,
    if(d.bucket_id = 0, NULL, d.trend_state) AS trend_state,
    d.returns AS returns,
    d.volatility AS volatility,
    d.bulk AS bulk,
    d.flow AS flow,
    d.spreads AS spreads,
    d.book AS book,
    d.dynamics AS dynamics,
    d.settled AS settled,
    d.clusters AS clusters,
    d.levels AS levels,
    d.candidates AS candidates,
    if(h.bucket_id = 0, NULL, h.bucket_id) AS impact_bucket_id,
    if(h.bucket_id = 0, NULL, dateDiff('millisecond', h.available_at, updated_at)) AS impact_staleness_ms,
    h.impact AS impact,
    b.quality AS quality,
    now64(6, 'UTC') AS updated_at,
    dateDiff('millisecond', b.available_at, updated_at) AS staleness_ms,
    dateDiff('millisecond', book_timestamp, updated_at) AS book_staleness_ms
FROM marketprism_features.latest_buckets AS b
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        argMax(
            (timestamp, mid_price, tob_imbalance, weighted_imbalance_5, microprice, spread_bps), (timestamp, sequence)
        ) AS newest
    FROM marketprism_features.lob_top5
    WHERE (exchange, market_type, symbol, toStartOfMinute(timestamp)) IN (
        SELECT exchange, market_type, symbol, toDateTime64(max(ts_1m), 3, 'UTC')
        FROM marketprism_features.mid_1m_state
        WHERE ts_1m >= (SELECT max(ts_1m) - toIntervalDay(1) FROM marketprism_features.mid_1m_state)
        GROUP BY exchange, market_type, symbol
    )
    GROUP BY exchange, market_type, symbol
) AS l
    ON l.exchange = b.exchange AND l.market_type = b.market_type AND l.symbol = b.symbol
LEFT JOIN marketprism_features.latest_details AS d
    ON d.exchange = b.exchange AND d.market_type = b.market_type AND d.symbol = b.symbol
LEFT JOIN marketprism_features.latest_impact AS h
    ON h.exchange = b.exchange AND h.market_type = b.market_type AND h.symbol = b.symbol
SETTINGS max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0, optimize_and_compare_chain = 0;
