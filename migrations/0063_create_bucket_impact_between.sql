-- name:      bucket_impact_between
-- purpose:   price impact and toxicity over the last 50 closed buckets: what kyle_lambda_by_bucket and vpin_by_bucket show
-- grain:     one row per (exchange, market_type, symbol, bucket_id) of closed buckets
-- inputs:    marketprism_features.unified_buckets_between
-- time:      bucket_ts_end
-- freshness: when read
-- lookahead: none
-- source:    Kyle (1985) as an OLS with intercept (statsmodels); Amihud (2002); Easley, Lopez de Prado, O'Hara (2012)
--
-- One window over one scan serves both readers: columns that a reader does not name are not computed. Windows count
-- closed buckets in their order, across midnight. A caller that bounds from_bucket starts 50 buckets early.
-- available_at is the latest of the window: a late row in an earlier bucket changes the window's values when it comes.
-- VPIN divides by the window's volume and not by 50 q: the time limit makes buckets unequal.
-- The regression takes close - open of each bucket on its signed volume; both are exact decimals until here.
CREATE VIEW IF NOT EXISTS marketprism_features.bucket_impact_between
COMMENT 'price impact and toxicity of closed buckets (parameters from_bucket, to_bucket, newest)'
AS SELECT
    *,
    toFloat64(price_change) / nullIf(flow, 0) AS kyle_lambda,
    if(window_buckets = 50 AND flow_variance > 0, flow_covariance / flow_variance, NULL) AS kyle_lambda_ols,
    if(
        window_buckets = 50 AND flow_variance > 0 AND change_variance > 0,
        least(flow_covariance * flow_covariance / (flow_variance * change_variance), 1),
        NULL
    ) AS kyle_r2,
    abs(change / nullIf(toFloat64(open), 0)) / nullIf(toFloat64(notional), 0) AS amihud_illiq,
    if(window_buckets = 50, toFloat64(window_imbalance) / nullIf(toFloat64(window_volume), 0), NULL) AS vpin,
    toFloat64(abs(signed_volume)) / nullIf(toFloat64(vol), 0) AS imbalance,
    multiIf(window_gaps > 0, 'gap', window_buckets < 50, 'warmup', 'ok') AS window_quality
FROM
(
    SELECT
        * REPLACE (max(available_at) OVER last_50 AS available_at),
        buy_vol - sell_vol AS signed_volume,
        close - open AS price_change,
        toFloat64(signed_volume) AS flow,
        toFloat64(price_change) AS change,
        count() OVER last_50 AS window_buckets,
        countIf(quality = 'gap') OVER last_50 AS window_gaps,
        sum(abs(signed_volume)) OVER last_50 AS window_imbalance,
        sum(vol) OVER last_50 AS window_volume,
        covarSampStable(flow, change) OVER last_50 AS flow_covariance,
        varSampStable(flow) OVER last_50 AS flow_variance,
        varSampStable(change) OVER last_50 AS change_variance
    FROM marketprism_features.unified_buckets_between(from_bucket = {from_bucket:UInt64}, to_bucket = {to_bucket:UInt64}, newest = {newest:UInt64})
    WHERE is_closed
    WINDOW last_50 AS (
        PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN 49 PRECEDING AND CURRENT ROW
    )
);
