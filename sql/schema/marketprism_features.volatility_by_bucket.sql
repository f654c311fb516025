CREATE VIEW marketprism_features.volatility_by_bucket
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `bucket_id` UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    `bucket_ts_end` DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    `realised_variance` Nullable(Float64) COMMENT 'sum of squared log returns of the window; NULL below the full window',
    `bipower_variance` Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|, without a finite-sample factor of the window; NULL below the full window',
    `medrv` Nullable(Float64) COMMENT 'MedRV: jump-robust variance from medians of three neighbouring |returns|, with n / (n - 2) of the window; NULL below the full window',
    `minrv` Nullable(Float64) COMMENT 'MinRV: jump-robust variance from minima of two neighbouring |returns|, with n / (n - 1) of the window; NULL below the full window',
    `semivariance_down` Nullable(Float64) COMMENT 'sum of squared negative log returns of the window; NULL below the full window',
    `semivariance_up` Nullable(Float64) COMMENT 'sum of squared positive log returns of the window; NULL below the full window',
    `tripower_quarticity` Nullable(Float64) COMMENT 'tripower quarticity with n * n / (n - 2) of the window; NULL below the full window',
    `jump_share` Nullable(Float64) COMMENT 'share of the variance that jumps made: 1 - bipower / realised, at least 0 of the window; NULL below the full window',
    `bns_z` Nullable(Float64) COMMENT 'Barndorff-Nielsen Shephard jump statistic, linear form with tripower quarticity; standard normal without jumps, one-sided of the window; NULL below the full window',
    `bns_ratio_z` Nullable(Float64) COMMENT 'the same statistic in ratio form with the maximum adjustment of the window; NULL below the full window',
    `lee_mykland` Nullable(Float64) COMMENT 'the last return over the deviation that bipower variation of the returns before it implies (Lee, Mykland 2008); NULL below the full window',
    `is_jump` Nullable(UInt8) COMMENT '|lee_mykland| is above the 1 % critical value of the maximum of 1,440 tests, 5.7775',
    `corwin_schultz_bps` Nullable(Float64) COMMENT 'mean spread implied by highs and lows of neighbouring buckets over the last 50, basis points',
    `window_buckets` UInt64 COMMENT 'closed buckets in the window, this one included; at most 51',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, warmup (fewer than 51 closed buckets) or gap (a hole touches the window)'
)
COMMENT 'realised variance over 50 closed buckets'
AS SELECT *
FROM `marketprism_features.volatility_by_bucket_between`(from_bucket = 0, to_bucket = 99999999999999, newest = 0)
