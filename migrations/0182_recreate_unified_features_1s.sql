-- name:      unified_features_1s
-- purpose:   at each second that traded: what of buckets, book and minutes had closed by its end, each with its age
-- grain:     one row per (exchange, market_type, symbol, ts_1s); seconds without a trade have no row
-- inputs:    marketprism_features.flow_1s, marketprism_features.bucket_flow, marketprism_features.unified_buckets_between, marketprism_features.returns_by_bucket_between, marketprism_features.bucket_impact_between, marketprism_features.volatility_by_bucket_between, marketprism_features.book_features, marketprism_features.volatility_1m_between, marketprism_features.lob_dynamics_1m_between, marketprism_features.spread_analysis_1m_between, marketprism_features.gap_minutes
-- time:      ts_1s
-- freshness: when read
-- lookahead: none
-- source:    as-of joins backward on when a bucket or minute closed; available_at says when all of the row was known
--
-- Values are carried forward for a limited time: buckets 300 s, books 3 s, minutes 180 s; older ones are NULL, and their
-- staleness says why. Bucket columns are those of one bucket, the newest that had closed.
--
-- A late row changes values of buckets that had closed before it came. The second still shows those buckets, as they are
-- now, and its available_at is then the late row's receipt: who reads as of an earlier moment does not see the second. So
-- the close of a bucket that holds late rows is taken at its end, which no late row can move.
--
-- unified_features_1s_between has parameters exchange, market_type, symbol ('' for all of them), from_ts and to_ts: each
-- input is read for that symbol and range alone.
-- What was received is on its way for a moment: the clock alone closes nothing before 3 s have passed.
-- leak-ok: whole-history: the 70th bucket before the range only bounds what is read; late rows are counted per bucket
CREATE OR REPLACE VIEW marketprism_features.unified_features_1s_between
COMMENT 'what was known by the end of each second that traded (parameters exchange, market_type, symbol, from_ts, to_ts)'
AS WITH
    toDateTime64(s.ts_1s + 1, 6, 'UTC') AS second_end,
    b.bucket_id != 0 AND dateDiff('millisecond', b.closed_at, second_end) <= 300000 AS has_bucket,
    l.sequence != 0 AND dateDiff('millisecond', l.available_at, second_end) <= 3000 AS has_book,
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
    if(has_bucket, b.newest.1, NULL) AS vpin,
    if(has_bucket, b.newest.2, NULL) AS kyle_lambda,
    if(has_bucket, b.newest.3, NULL) AS kyle_lambda_ols,
    if(has_bucket, b.newest.4, NULL) AS amihud_illiq,
    if(has_bucket, b.newest.5, NULL) AS log_return_1,
    if(has_bucket, b.newest.6, NULL) AS log_return_10,
    if(has_bucket, b.newest.7, NULL) AS momentum_30,
    if(has_bucket, b.newest.8, NULL) AS drawdown_60,
    if(has_bucket, b.newest.9, NULL) AS trade_impulse,
    if(has_bucket, b.newest.10, NULL) AS realised_variance,
    if(has_bucket, b.newest.11, NULL) AS jump_share,
    if(has_bucket, b.newest.12, NULL) AS corwin_schultz_bps,
    if(b.bucket_id = 0, NULL, dateDiff('millisecond', b.closed_at, second_end)) AS bucket_staleness_ms,
    if(has_book, l.newest.1, NULL) AS mid,
    if(has_book, l.newest.2, NULL) AS spread_bps,
    if(has_book, l.newest.3, NULL) AS microprice,
    if(has_book, l.newest.4, NULL) AS weighted_mid,
    if(has_book, l.newest.5, NULL) AS imbalance_1,
    if(has_book, l.newest.6, NULL) AS imbalance_5,
    if(has_book, l.newest.7, NULL) AS imbalance_20,
    if(has_book, l.newest.8, NULL) AS bid_depth_10,
    if(has_book, l.newest.9, NULL) AS ask_depth_10,
    if(has_book, l.newest.10, NULL) AS bid_slope_10,
    if(has_book, l.newest.11, NULL) AS ask_slope_10,
    if(has_book, l.newest.12, NULL) AS buy_impact_bps,
    if(has_book, l.newest.13, NULL) AS sell_impact_bps,
    if(has_book, l.newest.14, NULL) AS bid_entropy,
    if(has_book, l.newest.15, NULL) AS ask_entropy,
    if(has_book, l.newest.16, NULL) AS ofi_l1,
    if(l.sequence = 0, NULL, dateDiff('millisecond', l.available_at, second_end)) AS book_staleness_ms,
    if(has_minute, m.newest.1, NULL) AS effective_spread,
    if(has_minute, m.newest.2, NULL) AS quoted_spread,
    if(has_minute, m.newest.3, NULL) AS bid_net_rate,
    if(has_minute, m.newest.4, NULL) AS ask_net_rate,
    if(has_minute, m.newest.5, NULL) AS lee_mykland,
    if(has_minute, m.newest.6, NULL) AS regime,
    if(m.trades_1m = 0, NULL, dateDiff('millisecond', m.ended_at, second_end)) AS minute_staleness_ms,
    greatest(second_end, s.heard_at, if(has_bucket, b.known_at, second_end), if(has_minute, m.known_at, second_end)) AS available_at,
    multiIf(
        now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial',
        h.of_type != '' OR has_bucket AND b.newest.13 = 'gap' OR has_minute AND m.newest.7 = 'gap', 'gap',
        NOT has_bucket OR NOT has_book OR NOT has_minute, 'stale',
        b.newest.13 != 'ok', b.newest.13,
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
        exchange,
        market_type,
        symbol,
        closed_at,
        max(e.bucket_id) AS bucket_id,
        argMax(e.facts, e.bucket_id) AS newest,
        argMax(e.known, e.bucket_id) AS known_at
    FROM
    (
        SELECT
            r.exchange AS exchange,
            r.market_type AS market_type,
            r.symbol AS symbol,
            r.bucket_id AS bucket_id,
            r.available_at AS known,
            max(if(o.late = 0, u.available_at, least(u.available_at, u.bucket_ts_end))) OVER so_far AS closed_at,
            (
                v.vpin, v.kyle_lambda, v.kyle_lambda_ols, v.amihud_illiq, r.log_return_1, r.log_return_10, r.momentum_30,
                r.drawdown_60, r.trade_impulse, w.realised_variance, w.jump_share, w.corwin_schultz_bps, r.quality
            ) AS facts
        FROM (
        SELECT *
        FROM marketprism_features.returns_by_bucket_between(
        from_bucket = (
            SELECT min(oldest)
            FROM
            (
                SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 70)] AS oldest
                FROM marketprism_features.bucket_flow AS f
                WHERE f.bucket_id >= toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000 AND f.first_ts <= {from_ts:DateTime64(3)}
                    AND ({exchange:String} = '' OR f.exchange = {exchange:String})
                    AND ({market_type:String} = '' OR f.market_type = {market_type:String})
                    AND ({symbol:String} = '' OR f.symbol = {symbol:String})
                GROUP BY f.exchange, f.market_type, f.symbol
            )
        ),
        to_bucket = (toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000 + 999999), newest = 0
        )
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS r
        INNER JOIN (
        SELECT *
        FROM marketprism_features.volatility_by_bucket_between(
        from_bucket = (
            SELECT min(oldest)
            FROM
            (
                SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 70)] AS oldest
                FROM marketprism_features.bucket_flow AS f
                WHERE f.bucket_id >= toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000 AND f.first_ts <= {from_ts:DateTime64(3)}
                    AND ({exchange:String} = '' OR f.exchange = {exchange:String})
                    AND ({market_type:String} = '' OR f.market_type = {market_type:String})
                    AND ({symbol:String} = '' OR f.symbol = {symbol:String})
                GROUP BY f.exchange, f.market_type, f.symbol
            )
        ),
        to_bucket = (toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000 + 999999), newest = 0
        )
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS w USING (exchange, market_type, symbol, bucket_id)
        INNER JOIN (
        SELECT *
        FROM marketprism_features.bucket_impact_between(
        from_bucket = (
            SELECT min(oldest)
            FROM
            (
                SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 70)] AS oldest
                FROM marketprism_features.bucket_flow AS f
                WHERE f.bucket_id >= toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000 AND f.first_ts <= {from_ts:DateTime64(3)}
                    AND ({exchange:String} = '' OR f.exchange = {exchange:String})
                    AND ({market_type:String} = '' OR f.market_type = {market_type:String})
                    AND ({symbol:String} = '' OR f.symbol = {symbol:String})
                GROUP BY f.exchange, f.market_type, f.symbol
            )
        ),
        to_bucket = (toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000 + 999999), newest = 0
        )
        WHERE ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    ) AS v USING (exchange, market_type, symbol, bucket_id)
        INNER JOIN
    (
        SELECT exchange, market_type, symbol, bucket_id, assumeNotNull(b.available_at) AS available_at, toDateTime64(bucket_ts_end, 6, 'UTC') AS bucket_ts_end
        FROM marketprism_features.unified_buckets_between(
        from_bucket = (
            SELECT min(oldest)
            FROM
            (
                SELECT arrayReverseSort(groupUniqArray(f.bucket_id))[least(uniqExact(f.bucket_id), 70)] AS oldest
                FROM marketprism_features.bucket_flow AS f
                WHERE f.bucket_id >= toUInt64(toYYYYMMDD({from_ts:DateTime64(3)} - toIntervalDay(7))) * 1000000 AND f.first_ts <= {from_ts:DateTime64(3)}
                    AND ({exchange:String} = '' OR f.exchange = {exchange:String})
                    AND ({market_type:String} = '' OR f.market_type = {market_type:String})
                    AND ({symbol:String} = '' OR f.symbol = {symbol:String})
                GROUP BY f.exchange, f.market_type, f.symbol
            )
        ),
        to_bucket = (toUInt64(toYYYYMMDD({to_ts:DateTime64(3)})) * 1000000 + 999999), newest = 0
        ) AS b
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
        WINDOW so_far AS (
            PARTITION BY r.exchange, r.market_type, r.symbol ORDER BY r.bucket_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    ) AS e
    GROUP BY exchange, market_type, symbol, closed_at
) AS b ON b.exchange = s.exchange AND b.market_type = s.market_type AND b.symbol = s.symbol AND b.closed_at <= s.known_by
ASOF LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        f.available_at AS available_at,
        max(f.sequence) AS sequence,
        argMax((
            f.mid, f.spread_bps, f.microprice, f.weighted_mid, f.imbalance_1, f.imbalance_5, f.imbalance_20, f.bid_depth_10,
            f.ask_depth_10, f.bid_slope_10, f.ask_slope_10, f.buy_impact_bps, f.sell_impact_bps, f.bid_entropy, f.ask_entropy,
            f.ofi_l1
        ), (f.timestamp, f.sequence)) AS newest
    FROM marketprism_features.book_features AS f
    WHERE f.timestamp BETWEEN {from_ts:DateTime64(3)} - toIntervalSecond(60) AND {to_ts:DateTime64(3)} + toIntervalSecond(1)
        AND ({exchange:String} = '' OR exchange = {exchange:String})
            AND ({market_type:String} = '' OR market_type = {market_type:String})
            AND ({symbol:String} = '' OR symbol = {symbol:String})
    GROUP BY exchange, market_type, symbol, available_at
) AS l ON l.exchange = s.exchange AND l.market_type = s.market_type AND l.symbol = s.symbol AND l.available_at <= s.known_by
ASOF LEFT JOIN
(
    SELECT
        exchange,
        market_type,
        symbol,
        toDateTime64(a.ts_1m + 60, 6, 'UTC') AS ended_at,
        toUnixTimestamp(a.ts_1m) AS trades_1m,
        greatest(a.available_at, d.available_at, q.available_at) AS known_at,
        (q.effective_spread, q.quoted_spread, d.bid_net_rate, d.ask_net_rate, a.lee_mykland, a.regime, a.quality) AS newest
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
