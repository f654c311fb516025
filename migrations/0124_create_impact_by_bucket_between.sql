-- name:      impact_by_bucket_between
-- purpose:   price impact by regression over the last 50 closed buckets: Kyle (OLS and WLS), Hasbrouck, Amihud, for a range of bucket ids
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.unified_buckets_between, marketprism_features.trade_flow_by_bucket_between, marketprism_features.book_features_by_bucket_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    Kyle (1985): change of mid on signed quote flow, as statsmodels OLS and WLS; Hasbrouck (2009), Lopez de Prado (2018) ch. 18
--
-- kyle_lambda_by_bucket regresses the price change within a bucket on its signed volume; this one the change of the as-of
-- mid from bucket end to bucket end on buy less sell notional. A bucket without a mid within 60 s gives no point, and
-- fewer than 50 points give no slope. Returns are of closes, bucket to bucket. Sums are taken about the mean, in order.
--
-- Parameters from_bucket and to_bucket bound the ids; raw rows are read from the range's first trade to its last, and none
-- from before since: buckets that began earlier are left out, so that who needs the newest only reads no more.
CREATE VIEW IF NOT EXISTS marketprism_features.impact_by_bucket_between
COMMENT 'price impact by regression over 50 closed buckets (parameters from_bucket, to_bucket, since)'
AS WITH
    length(points) = 50 AS is_full,
    arraySum(arrayMap(p -> p.1, points)) / 50 AS x_mean,
    arraySum(arrayMap(p -> p.2, points)) / 50 AS y_mean,
    arraySum(arrayMap(p -> (p.1 - x_mean) * (p.1 - x_mean), points)) AS sxx,
    arraySum(arrayMap(p -> (p.1 - x_mean) * (p.2 - y_mean), points)) AS sxy,
    arraySum(arrayMap(p -> (p.2 - y_mean) * (p.2 - y_mean), points)) AS syy,
    arraySum(arrayMap(p -> p.3, points)) AS w_sum,
    arraySum(arrayMap(p -> p.3 * p.1, points)) / w_sum AS x_wmean,
    arraySum(arrayMap(p -> p.3 * p.2, points)) / w_sum AS y_wmean,
    arraySum(arrayMap(p -> p.3 * (p.1 - x_wmean) * (p.1 - x_wmean), points)) AS wxx,
    arraySum(arrayMap(p -> p.3 * (p.1 - x_wmean) * (p.2 - y_wmean), points)) AS wxy,
    arraySum(arrayMap(p -> p.3 * (p.2 - y_wmean) * (p.2 - y_wmean), points)) AS wyy,
    arraySum(arrayMap(p -> pow(p.2 - y_mean - sxy / sxx * (p.1 - x_mean), 2), points)) AS rest,
    arraySum(arrayMap(p -> p.3 * pow(p.2 - y_wmean - wxy / wxx * (p.1 - x_wmean), 2), points)) AS w_rest,
    length(moves) = 50 AS is_moved,
    arraySum(arrayMap(m -> m.1 * m.1, moves)) AS root_square,
    arraySum(arrayMap(m -> m.1 * m.3, moves)) / nullIf(root_square, 0) AS root_slope
SELECT
    exchange,
    market_type,
    symbol,
    bucket_id,
    bucket_ts_end,
    if(is_full AND sxx > 0, sxy / sxx, NULL) AS kyle_lambda_mid,
    if(is_full AND sxx > 0, sqrt(rest / 48 / sxx), NULL) AS kyle_mid_stderr,
    if(is_full AND sxx > 0 AND syy > 0, 1 - rest / syy, NULL) AS kyle_mid_r2,
    if(is_full AND wxx > 0, wxy / wxx, NULL) AS kyle_lambda_wls,
    if(is_full AND wxx > 0, sqrt(w_rest / 48 / wxx), NULL) AS kyle_wls_stderr,
    if(is_full AND wxx > 0 AND wyy > 0, 1 - w_rest / wyy, NULL) AS kyle_wls_r2,
    if(is_moved, root_slope, NULL) AS hasbrouck_lambda,
    if(is_moved, root_slope / nullIf(sqrt(arraySum(arrayMap(m -> pow(m.3 - assumeNotNull(root_slope) * m.1, 2), moves)) / 49 / nullIf(root_square, 0)), 0), NULL) AS hasbrouck_t,
    if(is_moved, arraySum(arrayMap(m -> m.2 * abs(m.3), moves)) / nullIf(arraySum(arrayMap(m -> m.2 * m.2, moves)), 0), NULL) AS amihud_lambda,
    if(is_moved, arraySum(arrayMap(m -> abs(m.3) / m.2, arrayFilter(m -> m.2 > 0, moves))) / nullIf(arrayCount(m -> m.2 > 0, moves), 0), NULL) AS amihud_mean,
    length(points) AS window_mids,
    window_buckets,
    known_at AS available_at,
    multiIf(window_gaps > 0, 'gap', window_buckets < 51, 'warmup', length(points) < 50, 'stale', 'ok') AS quality
FROM
(
    SELECT
        exchange, market_type, symbol, bucket_id, bucket_ts_end,
        groupArrayIf((flow, assumeNotNull(change), volume), change IS NOT NULL) OVER last_50 AS points,
        groupArrayIf((root_flow, amount, assumeNotNull(move)), move IS NOT NULL) OVER last_50 AS moves,
        count() OVER last_51 AS window_buckets,
        countIf(grade = 'gap') OVER last_51 AS window_gaps,
        assumeNotNull(max(known) OVER last_51) AS known_at
    FROM
    (
        SELECT
            exchange, market_type, symbol, bucket_id, bucket_ts_end, flow, volume, root_flow, amount, known, grade,
            mid - lagInFrame(mid, 1, NULL) OVER before AS change,
            log(price / nullIf(lagInFrame(price) OVER before, 0)) AS move
        FROM
        (
            SELECT
                u.exchange AS exchange,
                u.market_type AS market_type,
                u.symbol AS symbol,
                u.bucket_id AS bucket_id,
                u.bucket_ts_end AS bucket_ts_end,
                toFloat64(2 * u.buy_notional - u.notional) AS flow,
                toFloat64(u.vol) AS volume,
                toFloat64(u.notional) AS amount,
                toFloat64(u.close) AS price,
                f.signed_sqrt_quote AS root_flow,
                b.mid AS mid,
                greatest(u.available_at, b.available_at) AS known,
                u.quality AS grade
            FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = 0) AS u
            INNER JOIN
            (
                SELECT exchange, market_type, symbol, bucket_id, signed_sqrt_quote FROM marketprism_features.trade_flow_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)})
            ) AS f ON f.exchange = u.exchange AND f.market_type = u.market_type AND f.symbol = u.symbol AND f.bucket_id = u.bucket_id
            LEFT JOIN
            (
                SELECT exchange, market_type, symbol, bucket_id, mid, available_at FROM marketprism_features.book_features_by_bucket_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, since = {since:DateTime64(3)})
            ) AS b ON b.exchange = u.exchange AND b.market_type = u.market_type AND b.symbol = u.symbol AND b.bucket_id = u.bucket_id
            WHERE u.is_closed
        )
        WINDOW before AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
    WINDOW
        last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 49 PRECEDING AND CURRENT ROW),
        last_51 AS (PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 50 PRECEDING AND CURRENT ROW)
);

CREATE OR REPLACE VIEW marketprism_features.impact_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
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
    window_mids UInt64 COMMENT 'changes of mid among the last 50 buckets',
    window_buckets UInt64 COMMENT 'closed buckets in the window, this one included; at most 51',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, warmup (fewer than 51 closed buckets), stale (a bucket of the window has no mid) or gap (a hole touches the window)'
)
COMMENT 'price impact by regression over 50 closed buckets'
AS SELECT *
FROM marketprism_features.impact_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00');
