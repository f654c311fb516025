CREATE VIEW marketprism_features.unified_features_1s_between
COMMENT 'what was known by the end of each second that traded (parameters exchange, market_type, symbol, from_ts, to_ts)'
AS WITH
    toDateTime64(s.ts_1s + 1, 6, 'UTC') AS second_end,
    (b.bucket_id != 0) AND (dateDiff('millisecond', b.closed_at, second_end) <= 300000) AS has_bucket,
    (l.sequence != 0) AND (dateDiff('millisecond', l.known_at, second_end) <= 3000) AS has_book,
    (m.trades_1m != 0) AND (dateDiff('millisecond', m.ended_at, second_end) <= 180000) AS has_minute
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
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', (h.of_type != '') OR (has_bucket AND (b.quality = 'gap')) OR (has_minute AND (m.quality = 'gap')), 'gap', (NOT has_bucket) OR (NOT has_book) OR (NOT has_minute), 'stale', b.quality != 'ok', b.quality, 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1s,
        sum(f.trades) AS trades,
        sum(f.vol) AS volume,
        (2 * sum(f.buy_vol)) - sum(f.vol) AS signed_volume,
        toFloat64(sum(f.notional)) / nullIf(toFloat64(sum(f.vol)), 0) AS vwap,
        toFloat64(argMaxMerge(f.close)) AS close,
        max(f.last_received_at) AS heard_at,
        toDateTime64(ts_1s + 1, 6, 'UTC') AS known_by
    FROM marketprism_features.flow_1s AS f
    WHERE ((ts_1s >= {from_ts:DateTime64(3)}) AND (ts_1s <= {to_ts:DateTime64(3)})) AND (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1s
) AS s
ASOF LEFT JOIN
(
    SELECT
        r.exchange AS exchange,
        r.market_type AS market_type,
        r.symbol AS symbol,
        r.bucket_id AS bucket_id,
        r.* EXCEPT (exchange, market_type, symbol, bucket_id),
        max(if(o.late = 0, u.close_known_at, least(u.close_known_at, u.ended_at))) OVER (PARTITION BY r.exchange, r.market_type, r.symbol ORDER BY r.bucket_id ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS closed_at
    FROM
    (
        SELECT *
        FROM `marketprism_features.unified_features_since`(from_bucket = (
            SELECT min(oldest)
            FROM
            (
                SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 190)] AS oldest
                FROM marketprism_features.bucket_flow AS f
                WHERE (f.bucket_id >= (toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000)) AND (f.first_ts <= {from_ts:DateTime64(3)}) AND (({exchange:String} = '') OR (f.exchange = {exchange:String})) AND (({market_type:String} = '') OR (f.market_type = {market_type:String})) AND (({symbol:String} = '') OR (f.symbol = {symbol:String}))
                GROUP BY
                    f.exchange,
                    f.market_type,
                    f.symbol
            )
        ), to_bucket = ((toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000) + 999999), newest = 0, since = (
            SELECT min(first_ts)
            FROM marketprism_features.bucket_flow
            WHERE (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String})) AND (bucket_id >= (
                SELECT min(oldest)
                FROM
                (
                    SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 60)] AS oldest
                    FROM marketprism_features.bucket_flow AS f
                    WHERE (f.bucket_id >= (toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000)) AND (f.first_ts <= {from_ts:DateTime64(3)}) AND (({exchange:String} = '') OR (f.exchange = {exchange:String})) AND (({market_type:String} = '') OR (f.market_type = {market_type:String})) AND (({symbol:String} = '') OR (f.symbol = {symbol:String}))
                    GROUP BY
                        f.exchange,
                        f.market_type,
                        f.symbol
                )
            ))
        ))
        WHERE (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
    ) AS r
    INNER JOIN
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            assumeNotNull(c.available_at) AS close_known_at,
            toDateTime64(c.bucket_ts_end, 6, 'UTC') AS ended_at
        FROM `marketprism_features.unified_buckets_between`(from_bucket = (
            SELECT min(oldest)
            FROM
            (
                SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 190)] AS oldest
                FROM marketprism_features.bucket_flow AS f
                WHERE (f.bucket_id >= (toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000)) AND (f.first_ts <= {from_ts:DateTime64(3)}) AND (({exchange:String} = '') OR (f.exchange = {exchange:String})) AND (({market_type:String} = '') OR (f.market_type = {market_type:String})) AND (({symbol:String} = '') OR (f.symbol = {symbol:String}))
                GROUP BY
                    f.exchange,
                    f.market_type,
                    f.symbol
            )
        ), to_bucket = ((toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000) + 999999), newest = 0) AS c
        WHERE is_closed AND (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
    ) AS u USING (exchange, market_type, symbol, bucket_id)
    INNER JOIN
    (
        SELECT
            exchange,
            market_type,
            symbol,
            bucket_id,
            sum(late_trades) AS late
        FROM marketprism_features.bucket_flow
        WHERE (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
        GROUP BY
            exchange,
            market_type,
            symbol,
            bucket_id
    ) AS o USING (exchange, market_type, symbol, bucket_id)
    ORDER BY bucket_id DESC
    LIMIT 1 BY
        exchange,
        market_type,
        symbol,
        closed_at
) AS b ON (b.exchange = s.exchange) AND (b.market_type = s.market_type) AND (b.symbol = s.symbol) AND (b.closed_at <= s.known_by)
ASOF LEFT JOIN
(
    SELECT
        * EXCEPT available_at,
        available_at AS known_at
    FROM marketprism_features.book_features AS f
    WHERE ((f.timestamp >= ({from_ts:DateTime64(3)} - toIntervalSecond(60))) AND (f.timestamp <= ({to_ts:DateTime64(3)} + toIntervalSecond(1)))) AND (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
    ORDER BY
        timestamp DESC,
        sequence DESC
    LIMIT 1 BY
        exchange,
        market_type,
        symbol,
        known_at
) AS l ON (l.exchange = s.exchange) AND (l.market_type = s.market_type) AND (l.symbol = s.symbol) AND (l.known_at <= s.known_by)
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
        FROM `marketprism_features.volatility_1m_between`(from_ts = ({from_ts:DateTime64(3)} - toIntervalHour(26)), to_ts = {to_ts:DateTime64(3)})
        WHERE (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
    ) AS a
    LEFT JOIN
    (
        SELECT *
        FROM `marketprism_features.lob_dynamics_1m_between`(from_ts = (toStartOfMinute({from_ts:DateTime64(3)}) - toIntervalMinute(5)), to_ts = {to_ts:DateTime64(3)})
        WHERE (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
    ) AS d USING (exchange, market_type, symbol, ts_1m)
    LEFT JOIN
    (
        SELECT *
        FROM `marketprism_features.spread_analysis_1m_between`(from_ts = (toStartOfMinute({from_ts:DateTime64(3)}) - toIntervalMinute(5)), to_ts = {to_ts:DateTime64(3)})
        WHERE (({exchange:String} = '') OR (exchange = {exchange:String})) AND (({market_type:String} = '') OR (market_type = {market_type:String})) AND (({symbol:String} = '') OR (symbol = {symbol:String}))
    ) AS q USING (exchange, market_type, symbol, ts_1m)
) AS m ON (m.exchange = s.exchange) AND (m.market_type = s.market_type) AND (m.symbol = s.symbol) AND (m.ended_at <= s.known_by)
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'trades'
) AS h ON (h.exchange = s.exchange) AND (h.market_type = s.market_type) AND (h.symbol = s.symbol) AND (h.ts_1m = toStartOfMinute(s.ts_1s))
