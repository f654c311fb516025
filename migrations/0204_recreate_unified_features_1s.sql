-- name:      unified_features_1s
-- purpose:   at each second that traded: what of buckets, book and minutes had closed by its end, each with its age
-- grain:     one row per (exchange, market_type, symbol, ts_1s); seconds without a trade have no row
-- inputs:    marketprism_features.flow_1s, marketprism_features.bucket_flow, marketprism_features.unified_buckets_between, marketprism_features.unified_features_since, marketprism_features.book_features, marketprism_features.volatility_1m_between, marketprism_features.lob_dynamics_1m_between, marketprism_features.spread_analysis_1m_between, marketprism_features.gap_minutes
-- time:      ts_1s
-- freshness: when read
-- lookahead: none
-- source:    as-of joins backward on when a bucket or minute closed; available_at says when all of the row was known
--
-- Values are carried forward for a limited time: buckets 300 s, books 3 s, minutes 180 s; older ones are NULL, and their
-- staleness says why. Bucket columns are those of one bucket, the newest that had closed, as unified_features_by_bucket has
-- them; the book's are those of the newest book, since the bucket's would be older.
--
-- A late row changes values of buckets that had closed before it came. The second still shows those buckets, as they are
-- now, and its available_at is then the late row's receipt: who reads as of an earlier moment does not see the second. So
-- the close of a bucket that holds late rows is taken at its end, which no late row can move.
--
-- unified_features_1s_between has parameters exchange, market_type, symbol ('' for all of them), from_ts and to_ts: each
-- input is read for that symbol and range alone.
-- What was received is on its way for a moment: the clock alone closes nothing before 3 s have passed.
-- leak-ok: whole-history: the 190th bucket before the range only bounds what is read; late rows are counted per bucket
-- leak-ok: latest-row: of buckets that closed, or books that came, at one instant the newest
CREATE OR REPLACE VIEW marketprism_features.unified_features_1s_between
COMMENT 'what was known by the end of each second that traded (parameters exchange, market_type, symbol, from_ts, to_ts)'
AS WITH
    toDateTime64(s.ts_1s + 1, 6, 'UTC') AS second_end,
    b.bucket_id != 0 AND dateDiff('millisecond', b.closed_at, second_end) <= 300000 AS has_bucket,
    l.sequence != 0 AND dateDiff('millisecond', l.known_at, second_end) <= 3000 AS has_book,
    m.trades_1m != 0 AND dateDiff('millisecond', m.ended_at, second_end) <= 180000 AS has_minute
SELECT
    s.exchange AS exchange,
    s.market_type AS market_type,
    s.symbol AS symbol,
    s.ts_1s AS ts_1s,
    s.trades AS trades,
    s.volume AS volume,
    s.signed_volume AS signed_volume,
    s.vwap AS vwap,
    s.close AS close,
    if(has_bucket, b.bucket_id, NULL) AS bucket_id,
    if(has_bucket, b.vpin, NULL) AS vpin,
    if(has_bucket, b.kyle_lambda, NULL) AS kyle_lambda,
    if(has_bucket, b.kyle_lambda_ols, NULL) AS kyle_lambda_ols,
    if(has_bucket, b.amihud_illiq, NULL) AS amihud_illiq,
    if(has_bucket, b.log_return_1, NULL) AS log_return_1,
    if(has_bucket, b.log_return_10, NULL) AS log_return_10,
    if(has_bucket, b.momentum_30, NULL) AS momentum_30,
    if(has_bucket, b.drawdown_60, NULL) AS drawdown_60,
    if(has_bucket, b.trade_impulse, NULL) AS trade_impulse,
    if(has_bucket, b.realised_variance, NULL) AS realised_variance,
    if(has_bucket, b.jump_share, NULL) AS jump_share,
    if(has_bucket, b.corwin_schultz_bps, NULL) AS corwin_schultz_bps,
    if(has_bucket, b.kyle_r2, NULL) AS kyle_r2,
    if(has_bucket, b.imbalance, NULL) AS imbalance,
    if(has_bucket, b.poc_px, NULL) AS poc_px,
    if(has_bucket, b.value_area_low, NULL) AS value_area_low,
    if(has_bucket, b.value_area_high, NULL) AS value_area_high,
    if(has_bucket, b.range_bps, NULL) AS range_bps,
    if(has_bucket, b.log_return_3, NULL) AS log_return_3,
    if(has_bucket, b.log_return_5, NULL) AS log_return_5,
    if(has_bucket, b.log_return_30, NULL) AS log_return_30,
    if(has_bucket, b.log_return_60, NULL) AS log_return_60,
    if(has_bucket, b.momentum_3, NULL) AS momentum_3,
    if(has_bucket, b.momentum_5, NULL) AS momentum_5,
    if(has_bucket, b.momentum_10, NULL) AS momentum_10,
    if(has_bucket, b.momentum_60, NULL) AS momentum_60,
    if(has_bucket, b.price_volume_momentum_10, NULL) AS price_volume_momentum_10,
    if(has_bucket, b.bipower_variance, NULL) AS bipower_variance,
    if(has_bucket, b.medrv, NULL) AS medrv,
    if(has_bucket, b.minrv, NULL) AS minrv,
    if(has_bucket, b.semivariance_down, NULL) AS semivariance_down,
    if(has_bucket, b.semivariance_up, NULL) AS semivariance_up,
    if(has_bucket, b.tripower_quarticity, NULL) AS tripower_quarticity,
    if(has_bucket, b.bns_z, NULL) AS bns_z,
    if(has_bucket, b.bns_ratio_z, NULL) AS bns_ratio_z,
    if(has_bucket, b.is_jump, NULL) AS is_jump,
    if(has_bucket, b.bvc_buy_volume, NULL) AS bvc_buy_volume,
    if(has_bucket, b.bvc_sell_volume, NULL) AS bvc_sell_volume,
    if(has_bucket, b.bvc_imbalance, NULL) AS bvc_imbalance,
    if(has_bucket, b.vpin_bvc, NULL) AS vpin_bvc,
    if(has_bucket, b.trend_state, NULL) AS trend_state,
    if(has_bucket, b.flow_imbalance, NULL) AS flow_imbalance,
    if(has_bucket, b.cvd, NULL) AS cvd,
    if(has_bucket, b.cvd_gaps, NULL) AS cvd_gaps,
    if(has_bucket, b.avg_trade_size, NULL) AS avg_trade_size,
    if(has_bucket, b.avg_trade_quote, NULL) AS avg_trade_quote,
    if(has_bucket, b.trades_per_s, NULL) AS trades_per_s,
    if(has_bucket, b.quote_per_s, NULL) AS quote_per_s,
    if(has_bucket, b.direction_persistence, NULL) AS direction_persistence,
    if(has_bucket, b.large_buy_quote, NULL) AS large_buy_quote,
    if(has_bucket, b.large_sell_quote, NULL) AS large_sell_quote,
    if(has_bucket, b.retail_buy_quote, NULL) AS retail_buy_quote,
    if(has_bucket, b.retail_sell_quote, NULL) AS retail_sell_quote,
    if(has_bucket, b.large_imbalance, NULL) AS large_imbalance,
    if(has_bucket, b.retail_imbalance, NULL) AS retail_imbalance,
    if(has_bucket, b.buy_hhi, NULL) AS buy_hhi,
    if(has_bucket, b.sell_hhi, NULL) AS sell_hhi,
    if(has_bucket, b.tw_cvd, NULL) AS tw_cvd,
    if(has_bucket, b.roll_spread_bps, NULL) AS roll_spread_bps,
    if(has_bucket, b.kyle_lambda_mid, NULL) AS kyle_lambda_mid,
    if(has_bucket, b.kyle_mid_stderr, NULL) AS kyle_mid_stderr,
    if(has_bucket, b.kyle_mid_r2, NULL) AS kyle_mid_r2,
    if(has_bucket, b.kyle_lambda_wls, NULL) AS kyle_lambda_wls,
    if(has_bucket, b.kyle_wls_stderr, NULL) AS kyle_wls_stderr,
    if(has_bucket, b.kyle_wls_r2, NULL) AS kyle_wls_r2,
    if(has_bucket, b.hasbrouck_lambda, NULL) AS hasbrouck_lambda,
    if(has_bucket, b.hasbrouck_t, NULL) AS hasbrouck_t,
    if(has_bucket, b.amihud_lambda, NULL) AS amihud_lambda,
    if(has_bucket, b.amihud_mean, NULL) AS amihud_mean,
    if(has_bucket, b.spread_ratio, NULL) AS spread_ratio,
    if(has_bucket, b.bid_add_rate, NULL) AS bid_add_rate,
    if(has_bucket, b.bid_cancel_rate, NULL) AS bid_cancel_rate,
    if(has_bucket, b.ask_add_rate, NULL) AS ask_add_rate,
    if(has_bucket, b.ask_cancel_rate, NULL) AS ask_cancel_rate,
    if(has_bucket, b.book_updates, NULL) AS book_updates,
    if(has_bucket, b.books, NULL) AS books,
    if(has_bucket, b.realised_spread, NULL) AS realised_spread,
    if(has_bucket, b.price_impact, NULL) AS price_impact,
    if(has_bucket, b.realised_staleness_ms, NULL) AS realised_staleness_ms,
    if(has_bucket, b.trade_clusters, NULL) AS trade_clusters,
    if(has_bucket, b.largest_cluster_volume, NULL) AS largest_cluster_volume,
    if(has_bucket, b.mean_cluster_density, NULL) AS mean_cluster_density,
    if(has_bucket, b.buy_cluster_share, NULL) AS buy_cluster_share,
    if(has_bucket, b.sell_cluster_share, NULL) AS sell_cluster_share,
    if(has_bucket, b.clusters_staleness_ms, NULL) AS clusters_staleness_ms,
    if(has_bucket, b.resistance, NULL) AS resistance,
    if(has_bucket, b.support, NULL) AS support,
    if(has_bucket, b.resistance_bps, NULL) AS resistance_bps,
    if(has_bucket, b.support_bps, NULL) AS support_bps,
    if(has_bucket, b.level_log_ratio, NULL) AS level_log_ratio,
    if(has_bucket, b.levels_staleness_ms, NULL) AS levels_staleness_ms,
    if(has_bucket, b.candidates_1h, NULL) AS candidates_1h,
    if(has_bucket, b.candidates_4h, NULL) AS candidates_4h,
    if(has_bucket, b.candidates_24h, NULL) AS candidates_24h,
    if(has_bucket, b.absorption_bps, NULL) AS absorption_bps,
    if(has_bucket, b.exhaustion_bps, NULL) AS exhaustion_bps,
    if(has_bucket, b.candidates_staleness_ms, NULL) AS candidates_staleness_ms,
    if(b.bucket_id = 0, NULL, dateDiff('millisecond', b.closed_at, second_end)) AS bucket_staleness_ms,
    if(has_book, l.mid, NULL) AS mid,
    if(has_book, l.spread_bps, NULL) AS spread_bps,
    if(has_book, l.microprice, NULL) AS microprice,
    if(has_book, l.weighted_mid, NULL) AS weighted_mid,
    if(has_book, l.imbalance_1, NULL) AS imbalance_1,
    if(has_book, l.imbalance_5, NULL) AS imbalance_5,
    if(has_book, l.imbalance_20, NULL) AS imbalance_20,
    if(has_book, l.bid_depth_10, NULL) AS bid_depth_10,
    if(has_book, l.ask_depth_10, NULL) AS ask_depth_10,
    if(has_book, l.bid_slope_10, NULL) AS bid_slope_10,
    if(has_book, l.ask_slope_10, NULL) AS ask_slope_10,
    if(has_book, l.buy_impact_bps, NULL) AS buy_impact_bps,
    if(has_book, l.sell_impact_bps, NULL) AS sell_impact_bps,
    if(has_book, l.bid_entropy, NULL) AS bid_entropy,
    if(has_book, l.ask_entropy, NULL) AS ask_entropy,
    if(has_book, l.ofi_l1, NULL) AS ofi_l1,
    if(has_book, l.imbalance_10, NULL) AS imbalance_10,
    if(has_book, l.bid_depth_5, NULL) AS bid_depth_5,
    if(has_book, l.ask_depth_5, NULL) AS ask_depth_5,
    if(has_book, l.bid_depth_20, NULL) AS bid_depth_20,
    if(has_book, l.ask_depth_20, NULL) AS ask_depth_20,
    if(has_book, l.bid_density_10, NULL) AS bid_density_10,
    if(has_book, l.ask_density_10, NULL) AS ask_density_10,
    if(has_book, l.bid_convexity_10, NULL) AS bid_convexity_10,
    if(has_book, l.ask_convexity_10, NULL) AS ask_convexity_10,
    if(has_book, l.bid_tail_width_bps, NULL) AS bid_tail_width_bps,
    if(has_book, l.ask_tail_width_bps, NULL) AS ask_tail_width_bps,
    if(has_book, l.impact_linear, NULL) AS impact_linear,
    if(has_book, l.impact_sqrt, NULL) AS impact_sqrt,
    if(has_book, l.bid_gravity_bps, NULL) AS bid_gravity_bps,
    if(has_book, l.ask_gravity_bps, NULL) AS ask_gravity_bps,
    if(l.sequence = 0, NULL, dateDiff('millisecond', l.known_at, second_end)) AS book_staleness_ms,
    if(has_minute, m.effective_spread, NULL) AS effective_spread,
    if(has_minute, m.quoted_spread, NULL) AS quoted_spread,
    if(has_minute, m.bid_net_rate, NULL) AS bid_net_rate,
    if(has_minute, m.ask_net_rate, NULL) AS ask_net_rate,
    if(has_minute, m.lee_mykland, NULL) AS lee_mykland,
    if(has_minute, m.regime, NULL) AS regime,
    if(m.trades_1m = 0, NULL, dateDiff('millisecond', m.ended_at, second_end)) AS minute_staleness_ms,
    greatest(second_end, s.heard_at, if(has_bucket, b.available_at, second_end), if(has_minute, m.known_at, second_end)) AS available_at,
    multiIf(
        now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial',
        h.of_type != '' OR has_bucket AND b.quality = 'gap' OR has_minute AND m.quality = 'gap', 'gap',
        NOT has_bucket OR NOT has_book OR NOT has_minute, 'stale',
        b.quality != 'ok', b.quality,
        'ok'
    ) AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1s,
        sum(f.trades) AS trades,
        sum(f.vol) AS volume,
        2 * sum(f.buy_vol) - sum(f.vol) AS signed_volume,
        toFloat64(sum(f.notional)) / nullIf(toFloat64(sum(f.vol)), 0) AS vwap,
        toFloat64(argMaxMerge(f.close)) AS close,
        max(f.last_received_at) AS heard_at,
        toDateTime64(ts_1s + 1, 6, 'UTC') AS known_by
    FROM marketprism_features.flow_1s AS f
    WHERE ts_1s BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}
        AND ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    GROUP BY exchange, market_type, symbol, ts_1s
) AS s
ASOF LEFT JOIN
(
    SELECT
        r.exchange AS exchange,
        r.market_type AS market_type,
        r.symbol AS symbol,
        r.bucket_id AS bucket_id,
        r.* EXCEPT (exchange, market_type, symbol, bucket_id),
        max(if(o.late = 0, u.close_known_at, least(u.close_known_at, u.ended_at))) OVER (
            PARTITION BY r.exchange, r.market_type, r.symbol ORDER BY r.bucket_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS closed_at
    FROM
    (
        SELECT *
        FROM marketprism_features.unified_features_since(
            from_bucket = (
                SELECT min(oldest)
                FROM
                (
                    SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 190)] AS oldest
                    FROM marketprism_features.bucket_flow AS f
                    WHERE f.bucket_id >= toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000 AND f.first_ts <= {from_ts:DateTime64(3)}
                        AND ({exchange:String} = '' OR f.exchange = {exchange:String})
                        AND ({market_type:String} = '' OR f.market_type = {market_type:String})
                        AND ({symbol:String} = '' OR f.symbol = {symbol:String})
                    GROUP BY f.exchange, f.market_type, f.symbol
                )
            ),
            to_bucket = (toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000 + 999999),
            newest = 0,
            since = (
                SELECT min(first_ts)
                FROM marketprism_features.bucket_flow
                WHERE ({exchange:String} = '' OR exchange = {exchange:String})
                    AND ({market_type:String} = '' OR market_type = {market_type:String})
                    AND ({symbol:String} = '' OR symbol = {symbol:String})
                    AND bucket_id >= (
                        SELECT min(oldest)
                        FROM
                        (
                            SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 60)] AS oldest
                            FROM marketprism_features.bucket_flow AS f
                            WHERE f.bucket_id >= toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000 AND f.first_ts <= {from_ts:DateTime64(3)}
                                AND ({exchange:String} = '' OR f.exchange = {exchange:String})
                                AND ({market_type:String} = '' OR f.market_type = {market_type:String})
                                AND ({symbol:String} = '' OR f.symbol = {symbol:String})
                            GROUP BY f.exchange, f.market_type, f.symbol
                        )
                    )
            )
        )
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS r
    INNER JOIN
    (
        SELECT
            exchange, market_type, symbol, bucket_id,
            assumeNotNull(c.available_at) AS close_known_at,
            toDateTime64(c.bucket_ts_end, 6, 'UTC') AS ended_at
        FROM marketprism_features.unified_buckets_between(
            from_bucket = (
                SELECT min(oldest)
                FROM
                (
                    SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 190)] AS oldest
                    FROM marketprism_features.bucket_flow AS f
                    WHERE f.bucket_id >= toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000 AND f.first_ts <= {from_ts:DateTime64(3)}
                        AND ({exchange:String} = '' OR f.exchange = {exchange:String})
                        AND ({market_type:String} = '' OR f.market_type = {market_type:String})
                        AND ({symbol:String} = '' OR f.symbol = {symbol:String})
                    GROUP BY f.exchange, f.market_type, f.symbol
                )
            ),
            to_bucket = (toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000 + 999999), newest = 0
        ) AS c
        WHERE is_closed AND ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS u USING (exchange, market_type, symbol, bucket_id)
    INNER JOIN
    (
        SELECT exchange, market_type, symbol, bucket_id, sum(late_trades) AS late
        FROM marketprism_features.bucket_flow
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
        GROUP BY exchange, market_type, symbol, bucket_id
    ) AS o USING (exchange, market_type, symbol, bucket_id)
    ORDER BY bucket_id DESC
    LIMIT 1 BY exchange, market_type, symbol, closed_at
) AS b ON b.exchange = s.exchange AND b.market_type = s.market_type AND b.symbol = s.symbol AND b.closed_at <= s.known_by
ASOF LEFT JOIN
(
    SELECT * EXCEPT (available_at), available_at AS known_at
    FROM marketprism_features.book_features AS f
    WHERE f.timestamp BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)} + toIntervalSecond(1)
        AND ({exchange:String} = '' OR exchange = {exchange:String})
        AND ({market_type:String} = '' OR market_type = {market_type:String})
        AND ({symbol:String} = '' OR symbol = {symbol:String})
    ORDER BY timestamp DESC, sequence DESC
    LIMIT 1 BY exchange, market_type, symbol, known_at
) AS l ON l.exchange = s.exchange AND l.market_type = s.market_type AND l.symbol = s.symbol AND l.known_at <= s.known_by
ASOF LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        toDateTime64(a.ts_1m + 60, 6, 'UTC') AS ended_at,
        toUnixTimestamp(a.ts_1m) AS trades_1m,
        greatest(a.available_at, d.available_at, q.available_at) AS known_at,
        q.effective_spread AS effective_spread,
        q.quoted_spread AS quoted_spread,
        d.bid_net_rate AS bid_net_rate,
        d.ask_net_rate AS ask_net_rate,
        a.lee_mykland AS lee_mykland,
        a.regime AS regime,
        a.quality AS quality
    FROM
    (
        SELECT *
        FROM marketprism_features.volatility_1m_between(from_ts = {from_ts:DateTime64(3)} - toIntervalHour(26), to_ts = {to_ts:DateTime64(3)})
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS a
    LEFT JOIN
    (
        SELECT *
        FROM marketprism_features.lob_dynamics_1m_between(from_ts = toStartOfMinute({from_ts:DateTime64(3)}) - toIntervalMinute(5), to_ts = {to_ts:DateTime64(3)})
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS d USING (exchange, market_type, symbol, ts_1m)
    LEFT JOIN
    (
        SELECT *
        FROM marketprism_features.spread_analysis_1m_between(from_ts = toStartOfMinute({from_ts:DateTime64(3)}) - toIntervalMinute(5), to_ts = {to_ts:DateTime64(3)})
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS q USING (exchange, market_type, symbol, ts_1m)
) AS m ON m.exchange = s.exchange AND m.market_type = s.market_type AND m.symbol = s.symbol AND m.ended_at <= s.known_by
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS h
    ON h.exchange = s.exchange AND h.market_type = s.market_type AND h.symbol = s.symbol AND h.ts_1m = toStartOfMinute(s.ts_1s);

CREATE OR REPLACE VIEW marketprism_features.unified_features_1s
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1s DateTime('UTC') COMMENT 'start of the second, exchange time, UTC',
    trades UInt64 COMMENT 'number of trades of the second',
    volume Decimal(38, 12) COMMENT 'volume of the second, base units',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume of the second, base units',
    vwap Nullable(Float64) COMMENT 'notional / volume of the second, quote units',
    close Float64 COMMENT 'last price of the second by sequence, quote units',
    bucket_id Nullable(UInt64) COMMENT 'newest bucket available by the end of the second; NULL when older than 300 s',
    vpin Nullable(Float64) COMMENT 'bucket: sum of |buy - sell| / sum of volume over 50 closed buckets, 0 to 1',
    kyle_lambda Nullable(Float64) COMMENT 'bucket: (close - open) / signed volume of the bucket, quote units per base unit',
    kyle_lambda_ols Nullable(Float64) COMMENT 'bucket: slope of close - open on signed volume over 50 closed buckets',
    amihud_illiq Nullable(Float64) COMMENT 'bucket: |close / open - 1| / notional of the bucket, per quote unit',
    log_return_1 Nullable(Float64) COMMENT 'bucket: log of close over the close 1 bucket before; NULL below 2',
    log_return_10 Nullable(Float64) COMMENT 'bucket: log of close over the close 10 buckets before; NULL below 11',
    momentum_30 Nullable(Float64) COMMENT 'bucket: log_return_30 over the root of the squared returns of those buckets',
    drawdown_60 Nullable(Float64) COMMENT 'bucket: log of close over the highest price of the last 60 buckets, 0 or below; NULL below 60',
    trade_impulse Nullable(Float64) COMMENT 'bucket: signed volume over the mean volume of the ten buckets before; NULL below ten',
    realised_variance Nullable(Float64) COMMENT 'bucket: sum of squared log returns of the window; NULL below the full window',
    jump_share Nullable(Float64) COMMENT 'bucket: share of the variance that jumps made: 1 - bipower / realised, at least 0 of the window; NULL below the full window',
    corwin_schultz_bps Nullable(Float64) COMMENT 'bucket: mean spread implied by highs and lows of neighbouring buckets over the last 50, basis points',
    kyle_r2 Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    imbalance Nullable(Float64) COMMENT '|buy - sell| / volume, 0 to 1',
    poc_px Nullable(Float64) COMMENT 'price bin with the largest volume (the lowest of equals), quote units',
    value_area_low Nullable(Float64) COMMENT 'lowest price of the 70 % value area, quote units',
    value_area_high Nullable(Float64) COMMENT 'highest price of the 70 % value area, quote units',
    range_bps Nullable(Float64) COMMENT '(high - low) / open * 10000, basis points',
    log_return_3 Nullable(Float64) COMMENT 'log of close over the close 3 buckets before; NULL below 4',
    log_return_5 Nullable(Float64) COMMENT 'log of close over the close 5 buckets before; NULL below 6',
    log_return_30 Nullable(Float64) COMMENT 'log of close over the close 30 buckets before; NULL below 31',
    log_return_60 Nullable(Float64) COMMENT 'log of close over the close 60 buckets before; NULL below 61',
    momentum_3 Nullable(Float64) COMMENT 'log_return_3 over the root of the squared returns of those buckets',
    momentum_5 Nullable(Float64) COMMENT 'log_return_5 over the root of the squared returns of those buckets',
    momentum_10 Nullable(Float64) COMMENT 'log_return_10 over the root of the squared returns of those buckets',
    momentum_60 Nullable(Float64) COMMENT 'log_return_60 over the root of the squared returns of those buckets',
    price_volume_momentum_10 Nullable(Float64) COMMENT 'mean log return of the last 10 buckets weighed by their notional',
    bipower_variance Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|, without a finite-sample factor of the window; NULL below the full window',
    medrv Nullable(Float64) COMMENT 'MedRV: jump-robust variance from medians of three neighbouring |returns|, with n / (n - 2) of the window; NULL below the full window',
    minrv Nullable(Float64) COMMENT 'MinRV: jump-robust variance from minima of two neighbouring |returns|, with n / (n - 1) of the window; NULL below the full window',
    semivariance_down Nullable(Float64) COMMENT 'sum of squared negative log returns of the window; NULL below the full window',
    semivariance_up Nullable(Float64) COMMENT 'sum of squared positive log returns of the window; NULL below the full window',
    tripower_quarticity Nullable(Float64) COMMENT 'tripower quarticity with n * n / (n - 2) of the window; NULL below the full window',
    bns_z Nullable(Float64) COMMENT 'Barndorff-Nielsen Shephard jump statistic, linear form with tripower quarticity; standard normal without jumps, one-sided of the window; NULL below the full window',
    bns_ratio_z Nullable(Float64) COMMENT 'the same statistic in ratio form with the maximum adjustment of the window; NULL below the full window',
    is_jump Nullable(UInt8) COMMENT '|lee_mykland| is above the 1 % critical value of the maximum of 1,440 tests, 5.7775',
    bvc_buy_volume Nullable(Float64) COMMENT 'volume * Phi(change of close / sigma), base units; NULL below 50 changes before',
    bvc_sell_volume Nullable(Float64) COMMENT 'the rest of the volume, base units',
    bvc_imbalance Nullable(Float64) COMMENT '(buy - sell) / volume so classified, -1 to 1',
    vpin_bvc Nullable(Float64) COMMENT 'sum of |buy - sell| / sum of volume so classified over 50 closed buckets, 0 to 1; NULL below 50',
    trend_state Nullable(String) COMMENT 'up, flat or down',
    flow_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    cvd Nullable(Decimal(38, 12)) COMMENT 'cumulative signed volume since midnight UTC, base units',
    cvd_gaps Nullable(UInt64) COMMENT 'buckets of the day so far that an unrepaired hole in the trades touches: 0 where cvd is exact',
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
    spread_ratio Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    bid_add_rate Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    bid_cancel_rate Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    ask_add_rate Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    ask_cancel_rate Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
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
    resistance Nullable(Float64) COMMENT 'weight of the footprint clusters at or above the close, as dynamic_levels weighs them, base units',
    support Nullable(Float64) COMMENT 'weight of the footprint clusters below the close, base units',
    resistance_bps Nullable(Float64) COMMENT 'distance to the nearest cluster at or above the close, basis points',
    support_bps Nullable(Float64) COMMENT 'distance to the nearest cluster below the close, basis points',
    level_log_ratio Nullable(Float64) COMMENT 'log of resistance over support; NULL without one of them',
    levels_staleness_ms Nullable(Int64) COMMENT 'from the end of the clustered window to the bucket\'s close, milliseconds; above 600000 there are no levels',
    candidates_1h Nullable(UInt32) COMMENT 'absorption and exhaustion candidates of the last hour, by the newest job run',
    candidates_4h Nullable(UInt32) COMMENT 'the same of the last 4 hours',
    candidates_24h Nullable(UInt32) COMMENT 'the same of the last 24 hours',
    absorption_bps Nullable(Float64) COMMENT 'the nearest absorption candidate of any window over the close, less 1, basis points: below 0 it stands lower',
    exhaustion_bps Nullable(Float64) COMMENT 'the nearest exhaustion candidate of any window over the close, less 1, basis points',
    candidates_staleness_ms Nullable(Int64) COMMENT 'from the end of the candidates\' window to the bucket\'s close, milliseconds; above 600000 there are none',
    bucket_staleness_ms Nullable(Int64) COMMENT 'from its availability to the end of the second, milliseconds',
    mid Nullable(Float64) COMMENT 'book: (best bid + best ask) / 2, quote units; NULL, like everything after it, when a side is empty',
    spread_bps Nullable(Float64) COMMENT 'book: (best ask - best bid) / mid, basis points',
    microprice Nullable(Float64) COMMENT 'book: (bid price * ask quantity + ask price * bid quantity) / both quantities at the best, quote units',
    weighted_mid Nullable(Float64) COMMENT 'book: the same of five levels: each side\'s mean price weighed by the other side\'s quantity, quote units',
    imbalance_1 Nullable(Float64) COMMENT 'book: (bid - ask) / (bid + ask) quantity at the best, -1 to 1',
    imbalance_5 Nullable(Float64) COMMENT 'book: the same over 5 levels',
    imbalance_20 Nullable(Float64) COMMENT 'book: the same over 20 levels',
    bid_depth_10 Nullable(Float64) COMMENT 'book: bid quantity of 10 levels, base units',
    ask_depth_10 Nullable(Float64) COMMENT 'book: ask quantity of 10 levels, base units',
    bid_slope_10 Nullable(Float64) COMMENT 'book: OLS slope of cumulative bid quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    ask_slope_10 Nullable(Float64) COMMENT 'book: OLS slope of cumulative ask quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    buy_impact_bps Nullable(Float64) COMMENT 'book: mean price over mid of a market buy of 10,000 quote units, basis points; NULL when the book is too thin',
    sell_impact_bps Nullable(Float64) COMMENT 'book: mean price under mid of a market sell of 10,000 quote units, basis points; NULL when the book is too thin',
    bid_entropy Nullable(Float64) COMMENT 'book: Shannon entropy of the shares of 20 bid levels over its maximum, 0 (all at one level) to 1',
    ask_entropy Nullable(Float64) COMMENT 'book: Shannon entropy of the shares of 20 ask levels over its maximum, 0 to 1',
    ofi_l1 Nullable(Float64) COMMENT 'book: order flow imbalance at the best since the row before, base units',
    imbalance_10 Nullable(Float64) COMMENT 'the same over 10 levels',
    bid_depth_5 Nullable(Float64) COMMENT 'bid quantity of 5 levels, base units',
    ask_depth_5 Nullable(Float64) COMMENT 'ask quantity of 5 levels, base units',
    bid_depth_20 Nullable(Float64) COMMENT 'bid quantity of 20 levels, base units',
    ask_depth_20 Nullable(Float64) COMMENT 'ask quantity of 20 levels, base units',
    bid_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 bid levels per basis point between mid and the last of them, quote units per bp',
    ask_density_10 Nullable(Float64) COMMENT 'price * quantity of 10 ask levels per basis point between mid and the last of them, quote units per bp',
    bid_convexity_10 Nullable(Float64) COMMENT 'second difference of bid depth at 0, 5 and 10 levels over depth at 10: above 0 the book thickens away from the mid',
    ask_convexity_10 Nullable(Float64) COMMENT 'second difference of ask depth at 0, 5 and 10 levels over depth at 10',
    bid_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 bid levels stand, basis points',
    ask_tail_width_bps Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 ask levels stand, basis points',
    impact_linear Nullable(Float64) COMMENT 'mean of both impacts per quote unit: impact = impact_linear * size, bps per quote unit',
    impact_sqrt Nullable(Float64) COMMENT 'mean of both impacts per root of a quote unit: impact = impact_sqrt * sqrt(size), bps',
    bid_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 bid levels from the mid, basis points',
    ask_gravity_bps Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 ask levels from the mid, basis points',
    book_staleness_ms Nullable(Int64) COMMENT 'from the newest book\'s availability to the end of the second, milliseconds',
    effective_spread Nullable(Float64) COMMENT 'minute: 2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    quoted_spread Nullable(Float64) COMMENT 'minute: (ask - bid) / mid before the trades, weighed alike, basis points',
    bid_net_rate Nullable(Float64) COMMENT 'minute: bid quantity added less taken away per second, base units',
    ask_net_rate Nullable(Float64) COMMENT 'minute: ask quantity added less taken away per second, base units',
    lee_mykland Nullable(Float64) COMMENT 'minute: the last return over the deviation that bipower variation of the returns before it implies (Lee, Mykland 2008); NULL below the full window',
    regime Nullable(String) COMMENT 'minute: high, normal or low: the minute\'s volatility and trades against the last day\'s',
    minute_staleness_ms Nullable(Int64) COMMENT 'from the newest minute\'s availability to the end of the second, milliseconds',
    available_at DateTime64(6, 'UTC') COMMENT 'the later of the second\'s end and the last receipt in it, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the second is not over), gap (an unrepaired hole touches its minute, or the windows of its bucket or minute), stale (no bucket, book or minute young enough) or warmup (of the bucket)'
)
COMMENT 'what was known by the end of each second that traded'
AS SELECT *
FROM marketprism_features.unified_features_1s_between(exchange = '', market_type = '', symbol = '', from_ts = '1970-01-02 00:00:00', to_ts = '2105-01-01 00:00:00');
