-- name:      serving_features
-- purpose:   what to act on now: bucket features while a symbol's buckets are fresh and short, minute features otherwise
-- grain:     one row per (exchange, market_type, symbol) that traded lately
-- inputs:    marketprism_features.latest_features, marketprism_features.latest_minutes, marketprism_features.recent_buckets, marketprism_features.serving_state, marketprism_features.serving_missing
-- time:      available_at
-- freshness: when read, of tables refreshed every second (newest bucket) and every minute (groups and minutes)
-- lookahead: none
-- source:    MarketPrism design: stale > 300 s or hourly p90 length > 120 s degrade, ten complete fresh buckets restore; > 5 % missing disables
--
-- A symbol is served by minute when serving_state says degraded or recovering, and, whatever it says, when the newest closed
-- bucket is older than 300 s or the 0.9 quantile of the last hour's bucket lengths is above 120 s: so the switch does not
-- wait for the health check, only the way back does. served says which it is, reason why, staleness_ms how old it is.
-- A feature that was missing in more than 5 % of the last hour's rows of the side that is served is NULL and stands in
-- disabled; serving_missing has the shares, refreshed every half hour.
-- Where neither is young, the newest bucket stands there, and quality says stale.
-- leak-ok: whole-history: one row per symbol, of the newest known when refreshed; the maxima bound what is read
CREATE OR REPLACE VIEW marketprism_features.serving_features
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    served LowCardinality(String) COMMENT 'bucket or minute: which features the row shows',
    state LowCardinality(String) COMMENT 'healthy, degraded or recovering: as serving_state; healthy where it has no row',
    reason String COMMENT 'why minutes are served, empty while buckets are',
    since Nullable(DateTime64(6, 'UTC')) COMMENT 'from when the state holds, UTC; NULL where it never changed',
    bucket_id Nullable(UInt64) COMMENT 'the bucket shown; NULL while minutes are served',
    ts_1m Nullable(DateTime('UTC')) COMMENT 'start of the minute shown, UTC; NULL while buckets are served',
    available_at Nullable(DateTime64(6, 'UTC')) COMMENT 'when what is shown became knowable, UTC',
    staleness_ms Nullable(Int64) COMMENT 'age of what is shown: from available_at to now, milliseconds',
    bucket_staleness_ms Nullable(Int64) COMMENT 'age of the newest closed bucket, milliseconds',
    bucket_p90_s Nullable(Float64) COMMENT '0.9 quantile of the lengths of the buckets closed in the hour before the newest one closed, seconds',
    disabled Array(String) COMMENT 'features missing in more than 5 % of the last hour of what is served: NULL here',
    kyle_lambda Nullable(Float64) COMMENT 'price change over signed volume, quote units per base unit',
    amihud_illiq Nullable(Float64) COMMENT '|return| / notional, per quote unit',
    vpin Nullable(Float64) COMMENT 'toxicity, 0 to 1: over 50 buckets, or the mean over five minutes',
    realised_variance Nullable(Float64) COMMENT 'sum of squared log returns over 50 buckets, or over 60 minutes',
    bipower_variance Nullable(Float64) COMMENT 'bipower variation over 50 buckets, or over 60 minutes',
    jump_share Nullable(Float64) COMMENT 'share of variance in jumps, 0 to 1',
    log_return_1 Nullable(Float64) COMMENT 'log return over one bucket, or one minute',
    log_return_10 Nullable(Float64) COMMENT 'log return over ten buckets, or ten minutes',
    momentum_10 Nullable(Float64) COMMENT 'log_return_10 over the root of its squared steps',
    trade_impulse Nullable(Float64) COMMENT 'signed volume over the mean volume of the ten before',
    flow_imbalance Nullable(Float64) COMMENT '(buy - sell) / volume, -1 to 1',
    signed_volume Nullable(Float64) COMMENT 'buy - sell volume of the bucket or minute, base units',
    volume Nullable(Float64) COMMENT 'volume of the bucket or minute, base units',
    trades Nullable(Float64) COMMENT 'trades of the bucket or minute',
    vwap Nullable(Float64) COMMENT 'notional / volume, quote units',
    close Nullable(Float64) COMMENT 'last price, quote units',
    trades_per_s Nullable(Float64) COMMENT 'trades per second',
    direction_persistence Nullable(Float64) COMMENT 'share of trades on the side of the trade before, 0 to 1',
    mid Nullable(Float64) COMMENT 'mid as of the end, quote units',
    spread_bps Nullable(Float64) COMMENT 'spread of the book as of the end, basis points',
    microprice Nullable(Float64) COMMENT 'microprice as of the end, quote units',
    imbalance_1 Nullable(Float64) COMMENT 'queue imbalance at the best, -1 to 1',
    imbalance_5 Nullable(Float64) COMMENT 'queue imbalance over five levels, -1 to 1',
    bid_depth_10 Nullable(Float64) COMMENT 'quantity on ten bid levels, base units',
    ask_depth_10 Nullable(Float64) COMMENT 'quantity on ten ask levels, base units',
    effective_spread Nullable(Float64) COMMENT 'effective spread, basis points',
    quoted_spread Nullable(Float64) COMMENT 'quoted spread before the trades, basis points',
    spread_ratio Nullable(Float64) COMMENT 'effective / quoted spread',
    bid_add_rate Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    bid_cancel_rate Nullable(Float64) COMMENT 'bid quantity cancelled per second, base units',
    bid_net_rate Nullable(Float64) COMMENT 'bid quantity added less cancelled per second, base units',
    ask_add_rate Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    ask_cancel_rate Nullable(Float64) COMMENT 'ask quantity cancelled per second, base units',
    ask_net_rate Nullable(Float64) COMMENT 'ask quantity added less cancelled per second, base units',
    ofi_l1 Nullable(Float64) COMMENT 'order flow imbalance at the best, base units',
    quality LowCardinality(String) COMMENT 'quality of the row shown: ok, warmup, gap or stale (also what is older than 300 s, where nothing newer is there)'
)
COMMENT 'bucket features while they are fresh, minute features otherwise'
AS WITH
    now64(6, 'UTC') AS read_at,
    if(s.state = '', 'healthy', s.state) AS health,
    l.bucket_id != 0 AS has_bucket,
    assumeNotNull(multiIf(
        NOT has_bucket, 'no closed bucket',
        dateDiff('millisecond', l.available_at, read_at) > 300000, concat('stale ', toString(dateDiff('second', l.available_at, read_at)), ' s'),
        b.p90_s > 120, concat('slow p90 ', toString(round(b.p90_s)), ' s'),
        health != 'healthy', concat(health, ': ', s.reason),
        ''
    )) AS why,
    why = '' OR (m.ts_1m = 0 AND has_bucket) AS by_bucket,
    arrayMap(one -> one.feature, arrayFilter(one -> one.share > 0.05, if(by_bucket, x.of_buckets, x.of_minutes))) AS gone
SELECT
    k.exchange AS exchange,
    k.market_type AS market_type,
    k.symbol AS symbol,
    if(by_bucket, 'bucket', 'minute') AS served,
    health AS state,
    why AS reason,
    if(s.state = '', NULL, s.since) AS since,
    if(by_bucket, l.bucket_id, NULL) AS bucket_id,
    if(by_bucket, NULL, m.ts_1m) AS ts_1m,
    if(by_bucket, l.available_at, m.available_at) AS available_at,
    dateDiff('millisecond', available_at, read_at) AS staleness_ms,
    if(has_bucket, dateDiff('millisecond', l.available_at, read_at), NULL) AS bucket_staleness_ms,
    if(b.closed = 0, NULL, b.p90_s) AS bucket_p90_s,
    gone AS disabled,
    if(has(gone, 'kyle_lambda'), NULL, if(by_bucket, l.kyle_lambda, m.kyle_lambda)) AS kyle_lambda,
    if(has(gone, 'amihud_illiq'), NULL, if(by_bucket, l.amihud_illiq, m.amihud_illiq)) AS amihud_illiq,
    if(has(gone, 'vpin'), NULL, if(by_bucket, l.vpin, m.vpin)) AS vpin,
    if(has(gone, 'realised_variance'), NULL, if(by_bucket, l.volatility.realised_variance, m.realised_variance)) AS realised_variance,
    if(has(gone, 'bipower_variance'), NULL, if(by_bucket, l.volatility.bipower_variance, m.bipower_variance)) AS bipower_variance,
    if(has(gone, 'jump_share'), NULL, if(by_bucket, l.volatility.jump_share, m.jump_share)) AS jump_share,
    if(has(gone, 'log_return_1'), NULL, if(by_bucket, l.returns.log_return_1, m.log_return_1)) AS log_return_1,
    if(has(gone, 'log_return_10'), NULL, if(by_bucket, l.returns.log_return_10, m.log_return_10)) AS log_return_10,
    if(has(gone, 'momentum_10'), NULL, if(by_bucket, l.returns.momentum_10, m.momentum_10)) AS momentum_10,
    if(has(gone, 'trade_impulse'), NULL, if(by_bucket, l.returns.trade_impulse, m.trade_impulse)) AS trade_impulse,
    if(has(gone, 'flow_imbalance'), NULL, if(by_bucket, toFloat64(l.signed_volume) / nullIf(toFloat64(l.vol), 0), m.flow_imbalance)) AS flow_imbalance,
    if(has(gone, 'signed_volume'), NULL, if(by_bucket, toFloat64(l.signed_volume), toFloat64(m.signed_volume))) AS signed_volume,
    if(has(gone, 'volume'), NULL, if(by_bucket, toFloat64(l.vol), toFloat64(m.total_volume))) AS volume,
    if(has(gone, 'trades'), NULL, if(by_bucket, toFloat64(l.trades), toFloat64(m.trade_count))) AS trades,
    if(has(gone, 'vwap'), NULL, if(by_bucket, l.vwap, m.vwap)) AS vwap,
    if(has(gone, 'close'), NULL, if(by_bucket, toFloat64(l.close), toFloat64(m.close))) AS close,
    if(has(gone, 'trades_per_s'), NULL, if(by_bucket, l.flow.trades_per_s, m.trades_per_s)) AS trades_per_s,
    if(has(gone, 'direction_persistence'), NULL, if(by_bucket, l.flow.direction_persistence, m.direction_persistence)) AS direction_persistence,
    if(has(gone, 'mid'), NULL, if(by_bucket, l.mid, m.mid)) AS mid,
    if(has(gone, 'spread_bps'), NULL, if(by_bucket, l.book.spread_bps, m.spread_bps)) AS spread_bps,
    if(has(gone, 'microprice'), NULL, if(by_bucket, l.book.microprice, m.microprice)) AS microprice,
    if(has(gone, 'imbalance_1'), NULL, if(by_bucket, l.book.imbalance_1, m.imbalance_1)) AS imbalance_1,
    if(has(gone, 'imbalance_5'), NULL, if(by_bucket, l.book.imbalance_5, m.imbalance_5)) AS imbalance_5,
    if(has(gone, 'bid_depth_10'), NULL, if(by_bucket, l.book.bid_depth_10, m.bid_depth_10)) AS bid_depth_10,
    if(has(gone, 'ask_depth_10'), NULL, if(by_bucket, l.book.ask_depth_10, m.ask_depth_10)) AS ask_depth_10,
    if(has(gone, 'effective_spread'), NULL, if(by_bucket, l.spreads.effective_spread, m.effective_spread)) AS effective_spread,
    if(has(gone, 'quoted_spread'), NULL, if(by_bucket, l.spreads.quoted_spread, m.quoted_spread)) AS quoted_spread,
    if(has(gone, 'spread_ratio'), NULL, if(by_bucket, l.spreads.spread_ratio, m.spread_ratio)) AS spread_ratio,
    if(has(gone, 'bid_add_rate'), NULL, if(by_bucket, l.dynamics.bid_add_rate, m.bid_add_rate)) AS bid_add_rate,
    if(has(gone, 'bid_cancel_rate'), NULL, if(by_bucket, l.dynamics.bid_cancel_rate, m.bid_cancel_rate)) AS bid_cancel_rate,
    if(has(gone, 'bid_net_rate'), NULL, if(by_bucket, l.dynamics.bid_net_rate, m.bid_net_rate)) AS bid_net_rate,
    if(has(gone, 'ask_add_rate'), NULL, if(by_bucket, l.dynamics.ask_add_rate, m.ask_add_rate)) AS ask_add_rate,
    if(has(gone, 'ask_cancel_rate'), NULL, if(by_bucket, l.dynamics.ask_cancel_rate, m.ask_cancel_rate)) AS ask_cancel_rate,
    if(has(gone, 'ask_net_rate'), NULL, if(by_bucket, l.dynamics.ask_net_rate, m.ask_net_rate)) AS ask_net_rate,
    if(has(gone, 'ofi_l1'), NULL, if(by_bucket, l.dynamics.ofi_l1, m.ofi_l1)) AS ofi_l1,
    multiIf(staleness_ms > 300000, 'stale', by_bucket, toString(l.quality), m.quality) AS quality
FROM
(
    SELECT exchange, market_type, symbol FROM marketprism_features.latest_features
    UNION DISTINCT
    SELECT exchange, market_type, symbol FROM marketprism_features.latest_minutes
) AS k
LEFT JOIN marketprism_features.latest_features AS l
    ON l.exchange = k.exchange AND l.market_type = k.market_type AND l.symbol = k.symbol
LEFT JOIN marketprism_features.latest_minutes AS m
    ON m.exchange = k.exchange AND m.market_type = k.market_type AND m.symbol = k.symbol
LEFT JOIN marketprism_features.serving_state AS s
    ON s.exchange = k.exchange AND s.market_type = k.market_type AND s.symbol = k.symbol
LEFT JOIN
(
    SELECT
        exchange, market_type, symbol,
        count() AS closed,
        quantileExactInclusive(0.9)(dateDiff('millisecond', bucket_ts_start, bucket_ts_end) / 1000) AS p90_s
    FROM marketprism_features.recent_buckets AS r
    WHERE r.available_at >= (SELECT max(available_at) - toIntervalHour(1) FROM marketprism_features.recent_buckets)
    GROUP BY exchange, market_type, symbol
) AS b
    ON b.exchange = k.exchange AND b.market_type = k.market_type AND b.symbol = k.symbol
LEFT JOIN
(
    SELECT
        exchange, market_type, symbol,
        anyIf(missing, served = 'bucket') AS of_buckets,
        anyIf(missing, served = 'minute') AS of_minutes
    FROM marketprism_features.serving_missing
    GROUP BY exchange, market_type, symbol
) AS x
    ON x.exchange = k.exchange AND x.market_type = k.market_type AND x.symbol = k.symbol;
