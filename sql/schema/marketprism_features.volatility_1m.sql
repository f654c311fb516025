CREATE VIEW marketprism_features.volatility_1m
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
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
    `corwin_schultz_bps` Nullable(Float64) COMMENT 'mean spread implied by highs and lows of neighbouring minutes over the last hour, basis points',
    `regime` String COMMENT 'high, normal or low: the minute\'s volatility and trades against the last day\'s',
    `window_minutes` UInt64 COMMENT 'minutes with a return in the last day, at most 1,440',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    `quality` String COMMENT 'ok, partial (the minute is not over), gap (a hole in the trades of the last hour) or warmup (not every minute of it has a return)'
)
COMMENT 'realised variance over the last hour'
AS SELECT *
FROM `marketprism_features.volatility_1m_between`(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00')
