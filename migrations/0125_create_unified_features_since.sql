-- name:      unified_features_since
-- purpose:   every bucket feature side by side, for a range of bucket ids and not before an instant
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.bucket_impact_between, marketprism_features.mid_by_bucket_between, marketprism_features.footprint_profile_by_bucket, marketprism_features.returns_by_bucket_between, marketprism_features.volatility_by_bucket_between, marketprism_features.bulk_volume_by_bucket_between, marketprism_features.trend_state_by_bucket_between, marketprism_features.trade_flow_by_bucket_between, marketprism_features.impact_by_bucket_between, marketprism_features.spreads_by_bucket_between, marketprism_features.book_features_by_bucket_between, marketprism_features.lob_dynamics_by_bucket_between, marketprism_features.realised_spread_by_bucket_between, marketprism_features.trade_clusters
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    the inputs' own
--
-- Parameters as in unified_buckets_between, and since: what is computed from raw rows reads none from before it, and is NULL
-- where that is too few. unified_features_between is the narrow, fast part of it. A caller that bounds from_bucket starts 182 buckets early (the trend looks back
-- 121 buckets of returns over 61), or 102 when it does not read trend_state. available_at is the latest of all inputs.
-- What is known later than the bucket is as of the row's availability: the realised spread of the newest bucket whose
-- five seconds had passed, at most 300 s old, and the newest run of the cluster job, at most 600 s old.
-- leak-ok: whole-history: unified_features_last chooses which buckets are shown, the newest n; each row has its own windows
-- leak-ok: latest-row: unified_features_last chooses which buckets are shown
CREATE VIEW IF NOT EXISTS marketprism_features.unified_features_since
COMMENT 'every bucket feature side by side (parameters from_bucket, to_bucket, newest, since)'
AS WITH
    arrayLast(one -> one.1 <= available_at AND one.1 >= available_at - toIntervalSecond(300), z.settled) AS newest_settled,
    c.run_ts != 0 AND dateDiff('millisecond', c.run_ts, i.available_at) <= 600000 AS has_clusters
SELECT
    i.exchange AS exchange,
    i.market_type AS market_type,
    i.symbol AS symbol,
    i.bucket_id AS bucket_id,
    i.bucket_ts_start AS bucket_ts_start,
    i.bucket_ts_end AS bucket_ts_end,
    assumeNotNull(greatest(i.available_at, r.available_at, w.available_at, v.available_at, d.available_at, ifNull(f.available_at, i.available_at), ifNull(k.available_at, i.available_at), ifNull(s.available_at, i.available_at), ifNull(b.available_at, i.available_at), ifNull(l.available_at, i.available_at))) AS available_at,
    i.trades AS trades,
    i.buy_trades AS buy_trades,
    i.vol AS vol,
    i.buy_vol AS buy_vol,
    i.sell_vol AS sell_vol,
    i.notional AS notional,
    i.buy_notional AS buy_notional,
    i.vwap AS vwap,
    i.open AS open,
    i.high AS high,
    i.low AS low,
    i.close AS close,
    i.cut_trigger AS cut_trigger,
    i.signed_volume AS signed_volume,
    i.price_change AS price_change,
    i.kyle_lambda AS kyle_lambda,
    i.kyle_lambda_ols AS kyle_lambda_ols,
    i.kyle_r2 AS kyle_r2,
    i.amihud_illiq AS amihud_illiq,
    i.vpin AS vpin,
    i.imbalance AS imbalance,
    i.window_buckets AS window_buckets,
    m.mid AS mid,
    m.mid_avg AS mid_avg,
    m.staleness_ms AS mid_staleness_ms,
    if(p.bins = 0, NULL, p.poc_px) AS poc_px,
    if(p.bins = 0, NULL, p.value_area_low) AS value_area_low,
    if(p.bins = 0, NULL, p.value_area_high) AS value_area_high,
    toFloat64(i.high - i.low) / nullIf(toFloat64(i.open), 0) * 10000 AS range_bps,
    r.log_return_1 AS log_return_1,
    r.log_return_3 AS log_return_3,
    r.log_return_5 AS log_return_5,
    r.log_return_10 AS log_return_10,
    r.log_return_30 AS log_return_30,
    r.log_return_60 AS log_return_60,
    r.momentum_3 AS momentum_3,
    r.momentum_5 AS momentum_5,
    r.momentum_10 AS momentum_10,
    r.momentum_30 AS momentum_30,
    r.momentum_60 AS momentum_60,
    r.drawdown_60 AS drawdown_60,
    r.price_volume_momentum_10 AS price_volume_momentum_10,
    r.trade_impulse AS trade_impulse,
    w.realised_variance AS realised_variance,
    w.bipower_variance AS bipower_variance,
    w.medrv AS medrv,
    w.minrv AS minrv,
    w.semivariance_down AS semivariance_down,
    w.semivariance_up AS semivariance_up,
    w.tripower_quarticity AS tripower_quarticity,
    w.jump_share AS jump_share,
    w.bns_z AS bns_z,
    w.bns_ratio_z AS bns_ratio_z,
    w.lee_mykland AS lee_mykland,
    w.is_jump AS is_jump,
    w.corwin_schultz_bps AS corwin_schultz_bps,
    v.bvc_buy_volume AS bvc_buy_volume,
    v.bvc_sell_volume AS bvc_sell_volume,
    v.bvc_imbalance AS bvc_imbalance,
    v.vpin_bvc AS vpin_bvc,
    d.trend_state AS trend_state,
    f.flow_imbalance AS flow_imbalance,
    if(f.bucket_id = 0, NULL, f.cvd) AS cvd,
    if(f.bucket_id = 0, NULL, f.avg_trade_size) AS avg_trade_size,
    if(f.bucket_id = 0, NULL, f.avg_trade_quote) AS avg_trade_quote,
    f.trades_per_s AS trades_per_s,
    f.quote_per_s AS quote_per_s,
    f.direction_persistence AS direction_persistence,
    if(f.bucket_id = 0, NULL, f.large_buy_quote) AS large_buy_quote,
    if(f.bucket_id = 0, NULL, f.large_sell_quote) AS large_sell_quote,
    if(f.bucket_id = 0, NULL, f.retail_buy_quote) AS retail_buy_quote,
    if(f.bucket_id = 0, NULL, f.retail_sell_quote) AS retail_sell_quote,
    f.large_imbalance AS large_imbalance,
    f.retail_imbalance AS retail_imbalance,
    f.buy_hhi AS buy_hhi,
    f.sell_hhi AS sell_hhi,
    f.tw_cvd AS tw_cvd,
    f.roll_spread_bps AS roll_spread_bps,
    k.kyle_lambda_mid AS kyle_lambda_mid,
    k.kyle_mid_stderr AS kyle_mid_stderr,
    k.kyle_mid_r2 AS kyle_mid_r2,
    k.kyle_lambda_wls AS kyle_lambda_wls,
    k.kyle_wls_stderr AS kyle_wls_stderr,
    k.kyle_wls_r2 AS kyle_wls_r2,
    k.hasbrouck_lambda AS hasbrouck_lambda,
    k.hasbrouck_t AS hasbrouck_t,
    k.amihud_lambda AS amihud_lambda,
    k.amihud_mean AS amihud_mean,
    s.effective_spread AS effective_spread,
    s.quoted_spread AS quoted_spread,
    s.spread_ratio AS spread_ratio,
    b.spread_bps AS spread_bps,
    b.microprice AS microprice,
    b.weighted_mid AS weighted_mid,
    b.imbalance_1 AS imbalance_1,
    b.imbalance_5 AS imbalance_5,
    b.imbalance_10 AS imbalance_10,
    b.imbalance_20 AS imbalance_20,
    b.bid_depth_5 AS bid_depth_5,
    b.ask_depth_5 AS ask_depth_5,
    b.bid_depth_10 AS bid_depth_10,
    b.ask_depth_10 AS ask_depth_10,
    b.bid_depth_20 AS bid_depth_20,
    b.ask_depth_20 AS ask_depth_20,
    b.bid_density_10 AS bid_density_10,
    b.ask_density_10 AS ask_density_10,
    b.bid_slope_10 AS bid_slope_10,
    b.ask_slope_10 AS ask_slope_10,
    b.bid_convexity_10 AS bid_convexity_10,
    b.ask_convexity_10 AS ask_convexity_10,
    b.bid_tail_width_bps AS bid_tail_width_bps,
    b.ask_tail_width_bps AS ask_tail_width_bps,
    b.buy_impact_bps AS buy_impact_bps,
    b.sell_impact_bps AS sell_impact_bps,
    b.impact_linear AS impact_linear,
    b.impact_sqrt AS impact_sqrt,
    b.bid_entropy AS bid_entropy,
    b.ask_entropy AS ask_entropy,
    b.bid_gravity_bps AS bid_gravity_bps,
    b.ask_gravity_bps AS ask_gravity_bps,
    if(b.bucket_id = 0, NULL, b.staleness_ms) AS shape_staleness_ms,
    l.bid_add_rate AS bid_add_rate,
    l.bid_cancel_rate AS bid_cancel_rate,
    l.bid_net_rate AS bid_net_rate,
    l.ask_add_rate AS ask_add_rate,
    l.ask_cancel_rate AS ask_cancel_rate,
    l.ask_net_rate AS ask_net_rate,
    if(l.bucket_id = 0, NULL, l.ofi_l1) AS ofi_l1,
    l.ofi_l5 AS ofi_l5,
    if(l.bucket_id = 0, NULL, l.updates) AS book_updates,
    if(l.bucket_id = 0, NULL, l.books) AS books,
    if(newest_settled.1 = 0, NULL, newest_settled.2) AS realised_spread,
    if(newest_settled.1 = 0, NULL, newest_settled.3) AS price_impact,
    if(newest_settled.1 = 0, NULL, dateDiff('millisecond', newest_settled.1, available_at)) AS realised_staleness_ms,
    if(has_clusters, c.clusters, NULL) AS trade_clusters,
    if(has_clusters, c.largest_volume, NULL) AS largest_cluster_volume,
    if(has_clusters, c.mean_density, NULL) AS mean_cluster_density,
    if(has_clusters, c.buy_share, NULL) AS buy_cluster_share,
    if(has_clusters, c.sell_share, NULL) AS sell_cluster_share,
    if(c.run_ts = 0, NULL, dateDiff('millisecond', c.run_ts, i.available_at)) AS clusters_staleness_ms,
    multiIf(
        i.window_quality = 'gap' OR r.quality = 'gap' OR w.quality = 'gap' OR v.quality = 'gap', 'gap',
        i.window_quality != 'ok', i.window_quality,
        m.mid IS NULL OR m.staleness_ms > 3000, 'stale',
        'ok'
    ) AS quality
FROM marketprism_features.bucket_impact_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS i
LEFT JOIN marketprism_features.mid_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}) AS m
    ON m.exchange = i.exchange AND m.market_type = i.market_type AND m.symbol = i.symbol AND m.bucket_id = i.bucket_id
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.footprint_profile_by_bucket
    WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
) AS p
    ON p.exchange = i.exchange AND p.market_type = i.market_type AND p.symbol = i.symbol AND p.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.returns_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS r
    ON r.exchange = i.exchange AND r.market_type = i.market_type AND r.symbol = i.symbol AND r.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.volatility_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS w
    ON w.exchange = i.exchange AND w.market_type = i.market_type AND w.symbol = i.symbol AND w.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.bulk_volume_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS v
    ON v.exchange = i.exchange AND v.market_type = i.market_type AND v.symbol = i.symbol AND v.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.trend_state_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64}) AS d
    ON d.exchange = i.exchange AND d.market_type = i.market_type AND d.symbol = i.symbol AND d.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.trade_flow_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS f
    ON f.exchange = i.exchange AND f.market_type = i.market_type AND f.symbol = i.symbol AND f.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.impact_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS k
    ON k.exchange = i.exchange AND k.market_type = i.market_type AND k.symbol = i.symbol AND k.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.spreads_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS s
    ON s.exchange = i.exchange AND s.market_type = i.market_type AND s.symbol = i.symbol AND s.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.book_features_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS b
    ON b.exchange = i.exchange AND b.market_type = i.market_type AND b.symbol = i.symbol AND b.bucket_id = i.bucket_id
LEFT JOIN marketprism_features.lob_dynamics_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)}) AS l
    ON l.exchange = i.exchange AND l.market_type = i.market_type AND l.symbol = i.symbol AND l.bucket_id = i.bucket_id
LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        groupArray((available_at, realised_spread, price_impact)) OVER last_10 AS settled
    FROM marketprism_features.realised_spread_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)})
    WINDOW last_10 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 9 PRECEDING AND CURRENT ROW)
) AS z
    ON z.exchange = i.exchange AND z.market_type = i.market_type AND z.symbol = i.symbol AND z.bucket_id = i.bucket_id
ASOF LEFT JOIN marketprism_features.trade_clusters AS c
    ON c.exchange = i.exchange AND c.market_type = i.market_type AND c.symbol = i.symbol AND c.run_ts <= i.available_at;

CREATE OR REPLACE VIEW marketprism_features.unified_features_by_bucket
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
    log_return_1 Nullable(Float64) COMMENT 'log of close over the close 1 bucket before; NULL below 2',
    log_return_3 Nullable(Float64) COMMENT 'log of close over the close 3 buckets before; NULL below 4',
    log_return_5 Nullable(Float64) COMMENT 'log of close over the close 5 buckets before; NULL below 6',
    log_return_10 Nullable(Float64) COMMENT 'log of close over the close 10 buckets before; NULL below 11',
    log_return_30 Nullable(Float64) COMMENT 'log of close over the close 30 buckets before; NULL below 31',
    log_return_60 Nullable(Float64) COMMENT 'log of close over the close 60 buckets before; NULL below 61',
    momentum_3 Nullable(Float64) COMMENT 'log_return_3 over the root of the squared returns of those buckets',
    momentum_5 Nullable(Float64) COMMENT 'log_return_5 over the root of the squared returns of those buckets',
    momentum_10 Nullable(Float64) COMMENT 'log_return_10 over the root of the squared returns of those buckets',
    momentum_30 Nullable(Float64) COMMENT 'log_return_30 over the root of the squared returns of those buckets',
    momentum_60 Nullable(Float64) COMMENT 'log_return_60 over the root of the squared returns of those buckets',
    drawdown_60 Nullable(Float64) COMMENT 'log of close over the highest price of the last 60 buckets, 0 or below; NULL below 60',
    price_volume_momentum_10 Nullable(Float64) COMMENT 'mean log return of the last 10 buckets weighed by their notional',
    trade_impulse Nullable(Float64) COMMENT 'signed volume over the mean volume of the ten buckets before; NULL below ten',
    realised_variance Nullable(Float64) COMMENT 'sum of squared log returns of the window; NULL below the full window',
    bipower_variance Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|, without a finite-sample factor of the window; NULL below the full window',
    medrv Nullable(Float64) COMMENT 'MedRV: jump-robust variance from medians of three neighbouring |returns|, with n / (n - 2) of the window; NULL below the full window',
    minrv Nullable(Float64) COMMENT 'MinRV: jump-robust variance from minima of two neighbouring |returns|, with n / (n - 1) of the window; NULL below the full window',
    semivariance_down Nullable(Float64) COMMENT 'sum of squared negative log returns of the window; NULL below the full window',
    semivariance_up Nullable(Float64) COMMENT 'sum of squared positive log returns of the window; NULL below the full window',
    tripower_quarticity Nullable(Float64) COMMENT 'tripower quarticity with n * n / (n - 2) of the window; NULL below the full window',
    jump_share Nullable(Float64) COMMENT 'share of the variance that jumps made: 1 - bipower / realised, at least 0 of the window; NULL below the full window',
    bns_z Nullable(Float64) COMMENT 'Barndorff-Nielsen Shephard jump statistic, linear form with tripower quarticity; standard normal without jumps, one-sided of the window; NULL below the full window',
    bns_ratio_z Nullable(Float64) COMMENT 'the same statistic in ratio form with the maximum adjustment of the window; NULL below the full window',
    lee_mykland Nullable(Float64) COMMENT 'the last return over the deviation that bipower variation of the returns before it implies (Lee, Mykland 2008); NULL below the full window',
    is_jump Nullable(UInt8) COMMENT '|lee_mykland| is above the 1 % critical value of the maximum of 1,440 tests, 5.7775',
    corwin_schultz_bps Nullable(Float64) COMMENT 'mean spread implied by highs and lows of neighbouring buckets over the last 50, basis points',
    bvc_buy_volume Nullable(Float64) COMMENT 'volume * Phi(change of close / sigma), base units; NULL below 50 changes before',
    bvc_sell_volume Nullable(Float64) COMMENT 'the rest of the volume, base units',
    bvc_imbalance Nullable(Float64) COMMENT '(buy - sell) / volume so classified, -1 to 1',
    vpin_bvc Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume so classified over 50 closed buckets, 0 to 1; NULL below 50',
    trend_state String COMMENT 'up, flat or down',
    flow_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    cvd Nullable(Decimal(38, 12)) COMMENT 'cumulative signed volume since midnight UTC, base units',
    avg_trade_size Nullable(Float64) COMMENT 'volume per trade, base units',
    avg_trade_quote Nullable(Float64) COMMENT 'quote amount per trade, quote units',
    trades_per_s Nullable(Float64) COMMENT 'trades per second of the bucket\'s own length; NULL when that is 0',
    quote_per_s Nullable(Float64) COMMENT 'quote amount per second of the bucket\'s own length; NULL when that is 0',
    direction_persistence Nullable(Float64) COMMENT 'share of trades with the taker side of the trade before them, 0 to 1; NULL for one trade',
    large_buy_quote Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker buys of 50,000 or more',
    large_sell_quote Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker sells of 50,000 or more',
    retail_buy_quote Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker buys of at most 1,000',
    retail_sell_quote Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker sells of at most 1,000',
    large_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of large trades\' quote amounts; NULL without any',
    retail_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of retail trades\' quote amounts; NULL without any',
    buy_hhi Nullable(Float64) COMMENT 'concentration of taker buys by quote amount, 1 / trades to 1; NULL without a buy',
    sell_hhi Nullable(Float64) COMMENT 'concentration of taker sells by quote amount, 1 / trades to 1; NULL without a sell',
    tw_cvd Nullable(Float64) COMMENT 'time-weighted mean of the cumulative signed volume within the bucket, base units; NULL for a bucket of no length',
    roll_spread_bps Nullable(Float64) COMMENT '2 sqrt(-cov of successive price changes) over VWAP, basis points; 0 for a positive covariance, NULL below 4 trades',
    kyle_lambda_mid Nullable(Float64) COMMENT 'OLS slope of the change of mid on signed notional over 50 closed buckets, quote units per quote unit',
    kyle_mid_stderr Nullable(Float64) COMMENT 'standard error of kyle_lambda_mid',
    kyle_mid_r2 Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    kyle_lambda_wls Nullable(Float64) COMMENT 'the same slope with each bucket weighed by its volume',
    kyle_wls_stderr Nullable(Float64) COMMENT 'standard error of kyle_lambda_wls',
    kyle_wls_r2 Nullable(Float64) COMMENT 'weighted R squared of that regression, 0 to 1',
    hasbrouck_lambda Nullable(Float64) COMMENT 'slope through the origin of log returns on the sum of sign * sqrt(quote amount) over 50 closed buckets',
    hasbrouck_t Nullable(Float64) COMMENT 't value of hasbrouck_lambda',
    amihud_lambda Nullable(Float64) COMMENT 'slope through the origin of |log return| on notional over 50 closed buckets, per quote unit',
    amihud_mean Nullable(Float64) COMMENT 'mean of |log return| / notional over 50 closed buckets, per quote unit',
    effective_spread Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    quoted_spread Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    spread_ratio Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    spread_bps Nullable(Float64) COMMENT '(best ask - best bid) / mid, basis points',
    microprice Nullable(Float64) COMMENT '(bid price * ask quantity + ask price * bid quantity) / both quantities at the best, quote units',
    weighted_mid Nullable(Float64) COMMENT 'the same of five levels: each side\'s mean price weighed by the other side\'s quantity, quote units',
    imbalance_1 Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity at the best, -1 to 1',
    imbalance_5 Nullable(Float64) COMMENT 'the same over 5 levels',
    imbalance_10 Nullable(Float64) COMMENT 'the same over 10 levels',
    imbalance_20 Nullable(Float64) COMMENT 'the same over 20 levels',
    bid_depth_5 Nullable(Float64) COMMENT 'bid quantity of 5 levels, base units',
    ask_depth_5 Nullable(Float64) COMMENT 'ask quantity of 5 levels, base units',
    bid_depth_10 Nullable(Float64) COMMENT 'bid quantity of 10 levels, base units',
    ask_depth_10 Nullable(Float64) COMMENT 'ask quantity of 10 levels, base units',
    bid_depth_20 Nullable(Float64) COMMENT 'bid quantity of 20 levels, base units',
    ask_depth_20 Nullable(Float64) COMMENT 'ask quantity of 20 levels, base units',
    bid_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 bid levels per basis point between mid and the last of them, quote units per bp',
    ask_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 ask levels per basis point between mid and the last of them, quote units per bp',
    bid_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative bid quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    ask_slope_10 Nullable(Float64) COMMENT 'OLS slope of cumulative ask quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    bid_convexity_10 Nullable(Float64) COMMENT 'second difference of bid depth at 0, 5 and 10 levels over depth at 10: above 0 the book thickens away from the mid',
    ask_convexity_10 Nullable(Float64) COMMENT 'second difference of ask depth at 0, 5 and 10 levels over depth at 10',
    bid_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 bid levels stand, basis points',
    ask_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 ask levels stand, basis points',
    buy_impact_bps Nullable(Float64) COMMENT 'mean price over mid of a market buy of 10,000 quote units, basis points; NULL when the book is too thin',
    sell_impact_bps Nullable(Float64) COMMENT 'mean price under mid of a market sell of 10,000 quote units, basis points; NULL when the book is too thin',
    impact_linear Nullable(Float64) COMMENT 'mean of both impacts per quote unit: impact = impact_linear * size, bps per quote unit',
    impact_sqrt Nullable(Float64) COMMENT 'mean of both impacts per root of a quote unit: impact = impact_sqrt * sqrt(size), bps',
    bid_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 bid levels over its maximum, 0 (all at one level) to 1',
    ask_entropy Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 ask levels over its maximum, 0 to 1',
    bid_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 bid levels from the mid, basis points',
    ask_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 ask levels from the mid, basis points',
    shape_staleness_ms Nullable(Int64) COMMENT 'age of the book at the bucket\'s end, milliseconds; at most 60,000',
    bid_add_rate Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    bid_cancel_rate Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    bid_net_rate Nullable(Float64) COMMENT 'bid quantity added less taken away per second, base units',
    ask_add_rate Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    ask_cancel_rate Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
    ask_net_rate Nullable(Float64) COMMENT 'ask quantity added less taken away per second, base units',
    ofi_l1 Nullable(Float64) COMMENT 'order flow imbalance at the best level over every update while the bucket filled, base units',
    ofi_l5 Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5 over every update while the bucket filled, base units',
    book_updates Nullable(UInt64) COMMENT 'book updates while the bucket filled',
    books Nullable(UInt64) COMMENT 'published books while the bucket filled',
    realised_spread Nullable(Float64) COMMENT '2 |price - mid five seconds later| / mid before, weighed alike, basis points; of the newest bucket whose horizon had passed',
    price_impact Nullable(Float64) COMMENT 'effective - realised spread: 2 |mid five seconds later - mid before| / mid before, basis points; of the newest bucket whose horizon had passed',
    realised_staleness_ms Nullable(Int64) COMMENT 'from the availability of realised_spread to that of the row, milliseconds; above 300000 it is none',
    trade_clusters Nullable(UInt32) COMMENT 'clusters of trades in time, price and size of the newest job run',
    largest_cluster_volume Nullable(Float64) COMMENT 'volume of the largest of them, base units',
    mean_cluster_density Nullable(Float64) COMMENT 'mean trades per second of the clusters',
    buy_cluster_share Nullable(Float64) COMMENT 'share of clusters with more taker buys than sells',
    sell_cluster_share Nullable(Float64) COMMENT 'share of clusters with more taker sells than buys',
    clusters_staleness_ms Nullable(Int64) COMMENT 'from the end of the clustered window to the row\'s availability, milliseconds; above 600000 they are none',
    quality LowCardinality(String) COMMENT 'ok, warmup (fewer than 50 closed buckets), gap (the window touches a hole in the trades) or stale (no book within 3 s of the end)'
)
COMMENT 'every bucket feature side by side'
AS SELECT *
FROM marketprism_features.unified_features_since(from_bucket = 0, to_bucket = 99999999999999, newest = 0, since = '1970-01-02 00:00:00');

CREATE OR REPLACE VIEW marketprism_features.unified_features_last
COMMENT 'every feature of the last n closed buckets of one symbol (parameters exchange, market_type, symbol, n)'
AS SELECT *
FROM marketprism_features.unified_features_since(
    from_bucket = (
        SELECT min(bucket_id)
        FROM
        (
            SELECT DISTINCT bucket_id
            FROM marketprism_features.bucket_flow
            WHERE exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
            ORDER BY bucket_id DESC
            LIMIT {n:UInt64} + 182
        )
    ),
    to_bucket = 99999999999999,
    newest = 0,
    since = '1970-01-02 00:00:00'
)
WHERE exchange = {exchange:String} AND market_type = {market_type:String} AND symbol = {symbol:String}
ORDER BY bucket_id DESC
LIMIT {n:UInt64};
