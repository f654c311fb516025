CREATE MATERIALIZED VIEW marketprism_features.latest_minutes
REFRESH EVERY 1 MINUTE OFFSET 4 SECOND
(
    `exchange` LowCardinality(String) COMMENT 'exchange name, lower case',
    `market_type` LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    `symbol` LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    `ts_1m` DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    `total_volume` Decimal(38, 12) COMMENT 'volume, base units',
    `buy_volume` Decimal(38, 12) COMMENT 'volume of taker buys, base units',
    `sell_volume` Decimal(38, 12) COMMENT 'volume of taker sells, base units',
    `trade_count` UInt64 COMMENT 'number of trades',
    `flow_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    `avg_trade_size` Nullable(Float64) COMMENT 'volume per trade, base units',
    `notional` Decimal(76, 24) COMMENT 'sum of price * quantity, quote units',
    `vwap` Nullable(Float64) COMMENT 'notional / volume, quote units',
    `open` Decimal(38, 12) COMMENT 'first price by sequence, quote units',
    `high` Decimal(38, 12) COMMENT 'highest price, quote units',
    `low` Decimal(38, 12) COMMENT 'lowest price, quote units',
    `close` Decimal(38, 12) COMMENT 'last price by sequence, quote units',
    `signed_volume` Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    `vpin_approx` Nullable(Float64) COMMENT '|buy - sell| / volume of the minute, 0 to 1',
    `vpin` Nullable(Float64) COMMENT 'mean of vpin_approx over this and the four minutes before; NULL unless all five traded',
    `kyle_lambda` Nullable(Float64) COMMENT '(close - open) / signed volume, quote units per base unit; NULL without signed volume',
    `amihud_illiq` Nullable(Float64) COMMENT '|close / open - 1| / notional, per quote unit',
    `effective_spread_buy` Nullable(Float64) COMMENT 'what taker buys paid over the mid, 2 (price - mid) / mid weighed by mid * quantity, basis points',
    `effective_spread_sell` Nullable(Float64) COMMENT 'what taker sells paid under the mid, 2 (mid - price) / mid weighed by mid * quantity, basis points',
    `effective_spread` Nullable(Float64) COMMENT '2 |price - mid| / mid of the trades, against the taker, weighed by mid * quantity, basis points',
    `quoted_spread` Nullable(Float64) COMMENT '(ask - bid) / mid before the trades, weighed alike, basis points',
    `spread_ratio` Nullable(Float64) COMMENT 'effective / quoted spread: below 1 trades were filled inside the quotes',
    `rv_total` Nullable(Float64) COMMENT 'sum of squared log returns of the minute; NULL below two returns',
    `rv_jump` Nullable(Float64) COMMENT 'the larger of rv_total - bipower and 0',
    `rv_continuous` Nullable(Float64) COMMENT 'the smaller of rv_total and bipower',
    `jump_ratio` Nullable(Float64) COMMENT 'rv_jump / rv_total, 0 to 1',
    `realised_variance` Nullable(Float64) COMMENT 'sum of squared log returns of the window; NULL below the full window',
    `bipower_variance` Nullable(Float64) COMMENT 'pi / 2 times the sum of |r(i)| |r(i - 1)|, without a finite-sample factor of the window; NULL below the full window',
    `medrv` Nullable(Float64) COMMENT 'MedRV: jump-robust variance from medians of three neighbouring |returns|, with n / (n - 2) of the window; NULL below the full window',
    `minrv` Nullable(Float64) COMMENT 'MinRV: jump-robust variance from minima of two neighbouring |returns|, with n / (n - 1) of the window; NULL below the full window',
    `semivariance_down` Nullable(Float64) COMMENT 'sum of squared negative log returns of the window; NULL below the full window',
    `semivariance_up` Nullable(Float64) COMMENT 'sum of squared positive log returns of the window; NULL below the full window',
    `jump_share` Nullable(Float64) COMMENT 'share of the variance that jumps made: 1 - bipower / realised, at least 0 of the window; NULL below the full window',
    `bns_z` Nullable(Float64) COMMENT 'Barndorff-Nielsen Shephard jump statistic, linear form with tripower quarticity; standard normal without jumps, one-sided of the window; NULL below the full window',
    `lee_mykland` Nullable(Float64) COMMENT 'the last return over the deviation that bipower variation of the returns before it implies (Lee, Mykland 2008); NULL below the full window',
    `is_jump` Nullable(UInt8) COMMENT '|lee_mykland| is above the 1 % critical value of the maximum of 1,440 tests, 5.7775',
    `corwin_schultz_bps` Nullable(Float64) COMMENT 'mean spread implied by highs and lows of neighbouring minutes over the last hour, basis points',
    `regime` String COMMENT 'high, normal or low: the minute\'s volatility and trades against the last day\'s',
    `log_return_1` Nullable(Float64) COMMENT 'log of close over the close 1 minute before',
    `log_return_3` Nullable(Float64) COMMENT 'log of close over the close 3 minutes before',
    `log_return_5` Nullable(Float64) COMMENT 'log of close over the close 5 minutes before',
    `log_return_10` Nullable(Float64) COMMENT 'log of close over the close 10 minutes before',
    `log_return_30` Nullable(Float64) COMMENT 'log of close over the close 30 minutes before',
    `log_return_60` Nullable(Float64) COMMENT 'log of close over the close 60 minutes before',
    `momentum_3` Nullable(Float64) COMMENT 'log_return_3 over the root of the squared returns of those minutes',
    `momentum_5` Nullable(Float64) COMMENT 'log_return_5 over the root of the squared returns of those minutes',
    `momentum_10` Nullable(Float64) COMMENT 'log_return_10 over the root of the squared returns of those minutes',
    `momentum_30` Nullable(Float64) COMMENT 'log_return_30 over the root of the squared returns of those minutes',
    `momentum_60` Nullable(Float64) COMMENT 'log_return_60 over the root of the squared returns of those minutes',
    `drawdown_60` Nullable(Float64) COMMENT 'log of close over the highest price of the last 60 minutes, 0 or below',
    `price_volume_momentum_10` Nullable(Float64) COMMENT 'mean log return of the last 10 minutes weighed by their notional; NULL unless each traded',
    `trade_impulse` Nullable(Float64) COMMENT 'signed volume over the mean volume per minute of the ten minutes before; NULL until ten minutes have passed since a first one',
    `trend_state` String COMMENT 'up, flat or down',
    `cvd` Nullable(Decimal(38, 12)) COMMENT 'cumulative signed volume since midnight UTC, base units',
    `cvd_gaps` Nullable(UInt64) COMMENT 'minutes of the day so far that an unrepaired hole in the trades touches: 0 where cvd is exact',
    `avg_trade_quote` Nullable(Float64) COMMENT 'quote amount per trade, quote units',
    `trades_per_s` Nullable(Float64) COMMENT 'trades per second of the minute',
    `quote_per_s` Nullable(Float64) COMMENT 'quote amount per second of the minute',
    `direction_persistence` Nullable(Float64) COMMENT 'share of trades with the taker side of the trade before them, 0 to 1; NULL for one trade',
    `large_buy_quote` Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker buys of 50,000 or more',
    `large_sell_quote` Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker sells of 50,000 or more',
    `retail_buy_quote` Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker buys of at most 1,000',
    `retail_sell_quote` Nullable(Decimal(76, 24)) COMMENT 'quote amount of taker sells of at most 1,000',
    `large_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of large trades\' quote amounts; NULL without any',
    `retail_imbalance` Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of retail trades\' quote amounts; NULL without any',
    `buy_hhi` Nullable(Float64) COMMENT 'concentration of taker buys by quote amount, 1 / trades to 1; NULL without a buy',
    `sell_hhi` Nullable(Float64) COMMENT 'concentration of taker sells by quote amount, 1 / trades to 1; NULL without a sell',
    `tw_cvd` Nullable(Float64) COMMENT 'time-weighted mean of the cumulative signed volume within the minute, base units',
    `roll_spread_bps` Nullable(Float64) COMMENT '2 sqrt(-cov of successive price changes) over VWAP, basis points; 0 for a positive covariance, NULL below 4 trades',
    `mid` Nullable(Float64) COMMENT '(best bid + best ask) / 2, quote units; NULL, like everything after it, when a side is empty',
    `spread_bps` Nullable(Float64) COMMENT '(best ask - best bid) / mid, basis points',
    `microprice` Nullable(Float64) COMMENT '(bid price * ask quantity + ask price * bid quantity) / both quantities at the best, quote units',
    `weighted_mid` Nullable(Float64) COMMENT 'the same of five levels: each side\'s mean price weighed by the other side\'s quantity, quote units',
    `imbalance_1` Nullable(Float64) COMMENT '(bid - ask) / (bid + ask) quantity at the best, -1 to 1',
    `imbalance_5` Nullable(Float64) COMMENT 'the same over 5 levels',
    `imbalance_10` Nullable(Float64) COMMENT 'the same over 10 levels',
    `imbalance_20` Nullable(Float64) COMMENT 'the same over 20 levels',
    `bid_depth_5` Nullable(Float64) COMMENT 'bid quantity of 5 levels, base units',
    `ask_depth_5` Nullable(Float64) COMMENT 'ask quantity of 5 levels, base units',
    `bid_depth_10` Nullable(Float64) COMMENT 'bid quantity of 10 levels, base units',
    `ask_depth_10` Nullable(Float64) COMMENT 'ask quantity of 10 levels, base units',
    `bid_depth_20` Nullable(Float64) COMMENT 'bid quantity of 20 levels, base units',
    `ask_depth_20` Nullable(Float64) COMMENT 'ask quantity of 20 levels, base units',
    `bid_density_10` Nullable(Float64) COMMENT 'price * quantity of 10 bid levels per basis point between mid and the last of them, quote units per bp',
    `ask_density_10` Nullable(Float64) COMMENT 'price * quantity of 10 ask levels per basis point between mid and the last of them, quote units per bp',
    `bid_slope_10` Nullable(Float64) COMMENT 'OLS slope of cumulative bid quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    `ask_slope_10` Nullable(Float64) COMMENT 'OLS slope of cumulative ask quantity on distance from the mid over 10 levels, base units per bp; NULL below 10',
    `bid_convexity_10` Nullable(Float64) COMMENT 'second difference of bid depth at 0, 5 and 10 levels over depth at 10: above 0 the book thickens away from the mid',
    `ask_convexity_10` Nullable(Float64) COMMENT 'second difference of ask depth at 0, 5 and 10 levels over depth at 10',
    `bid_tail_width_bps` Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 bid levels stand, basis points',
    `ask_tail_width_bps` Nullable(Float64) COMMENT 'distance from the mid within which 90 % of 20 ask levels stand, basis points',
    `buy_impact_bps` Nullable(Float64) COMMENT 'mean price over mid of a market buy of 10,000 quote units, basis points; NULL when the book is too thin',
    `sell_impact_bps` Nullable(Float64) COMMENT 'mean price under mid of a market sell of 10,000 quote units, basis points; NULL when the book is too thin',
    `impact_linear` Nullable(Float64) COMMENT 'mean of both impacts per quote unit: impact = impact_linear * size, bps per quote unit',
    `impact_sqrt` Nullable(Float64) COMMENT 'mean of both impacts per root of a quote unit: impact = impact_sqrt * sqrt(size), bps',
    `bid_entropy` Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 bid levels over its maximum, 0 (all at one level) to 1',
    `ask_entropy` Nullable(Float64) COMMENT 'Shannon entropy of the shares of 20 ask levels over its maximum, 0 to 1',
    `bid_gravity_bps` Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 bid levels from the mid, basis points',
    `ask_gravity_bps` Nullable(Float64) COMMENT 'quantity-weighted mean distance of 20 ask levels from the mid, basis points',
    `book_staleness_ms` Nullable(Int64) COMMENT 'from that book to the end of the minute, milliseconds',
    `bid_add_rate` Nullable(Float64) COMMENT 'bid quantity added per second, base units',
    `bid_cancel_rate` Nullable(Float64) COMMENT 'bid quantity taken away per second, base units',
    `bid_net_rate` Nullable(Float64) COMMENT 'bid quantity added less taken away per second, base units',
    `ask_add_rate` Nullable(Float64) COMMENT 'ask quantity added per second, base units',
    `ask_cancel_rate` Nullable(Float64) COMMENT 'ask quantity taken away per second, base units',
    `ask_net_rate` Nullable(Float64) COMMENT 'ask quantity added less taken away per second, base units',
    `ofi_l1` Nullable(Float64) COMMENT 'order flow imbalance at the best level over every update of the minute, base units',
    `ofi_l5` Array(Float64) COMMENT 'order flow imbalance per level rank 1 to 5 over every update of the minute, base units',
    `book_updates` Nullable(UInt64) COMMENT 'book updates of the minute',
    `books` Nullable(UInt64) COMMENT 'published books of the minute',
    `kyle_lambda_mid` Nullable(Float64) COMMENT 'slope of the change of the mid on the signed quote flow over the minutes of the last 50 that traded, quote units of price per quote unit; NULL below 20',
    `kyle_mid_stderr` Nullable(Float64) COMMENT 'standard error of kyle_lambda_mid',
    `kyle_mid_r2` Nullable(Float64) COMMENT 'R squared of that regression, 0 to 1',
    `kyle_lambda_wls` Nullable(Float64) COMMENT 'the same slope weighed by volume',
    `kyle_wls_stderr` Nullable(Float64) COMMENT 'standard error of kyle_lambda_wls',
    `kyle_wls_r2` Nullable(Float64) COMMENT 'weighted R squared of that regression, 0 to 1',
    `hasbrouck_lambda` Nullable(Float64) COMMENT 'slope through the origin of the log return on the sum of signed roots of quote amounts; NULL below 20',
    `hasbrouck_t` Nullable(Float64) COMMENT 't statistic of hasbrouck_lambda',
    `amihud_lambda` Nullable(Float64) COMMENT 'slope through the origin of |log return| on the quote volume',
    `amihud_mean` Nullable(Float64) COMMENT 'mean |log return| per quote unit of volume',
    `bvc_buy_volume` Nullable(Float64) COMMENT 'volume classified as bought, base units; NULL below 20 changes in the 50 minutes before',
    `bvc_sell_volume` Nullable(Float64) COMMENT 'volume classified as sold, base units',
    `bvc_imbalance` Nullable(Float64) COMMENT '(bought - sold) / volume by classification, -1 to 1',
    `vpin_bvc` Nullable(Float64) COMMENT 'sum of |bought - sold| / sum of volume over the classified minutes of the last 50; NULL below 20',
    `poc_px` Nullable(Float64) COMMENT 'price bin with the largest volume (the lowest of equals), quote units',
    `value_area_low` Nullable(Float64) COMMENT 'lowest price of the 70 % value area, quote units',
    `value_area_high` Nullable(Float64) COMMENT 'highest price of the 70 % value area, quote units',
    `realised_spread` Nullable(Float64) COMMENT '2 |price - mid five seconds later| / mid before, weighed by mid * quantity, basis points; of the minute before, whose horizon had passed',
    `price_impact` Nullable(Float64) COMMENT 'effective - realised spread of the minute before, basis points',
    `realised_staleness_ms` Nullable(Int64) COMMENT 'from the availability of realised_spread to that of the row, milliseconds',
    `available_at` DateTime64(6, 'UTC') COMMENT 'when the newest input of the row became knowable, UTC',
    `quality` String COMMENT 'ok, gap (a hole touches an input), warmup (a window is not full) or stale (a book or a quote was missing or older than 3 s)'
)
ENGINE = Memory
DEFINER = default SQL SECURITY DEFINER
COMMENT 'the newest complete minute of every symbol; serving_features reads it'
AS SELECT *
FROM `marketprism_features.unified_features_1m_between`(from_ts = (
    SELECT max(last_ts) - toIntervalHour(25)
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT max(bucket_id) - 2000000
        FROM marketprism_features.bucket_flow
    )
), to_ts = '2200-01-01 00:00:00', since = (
    SELECT toStartOfMinute(max(last_ts)) - toIntervalMinute(4)
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT max(bucket_id) - 2000000
        FROM marketprism_features.bucket_flow
    )
))
WHERE (quality != 'partial') AND (ts_1m >= (
    SELECT toStartOfMinute(max(last_ts)) - toIntervalMinute(4)
    FROM marketprism_features.bucket_flow
    WHERE bucket_id >= (
        SELECT max(bucket_id) - 2000000
        FROM marketprism_features.bucket_flow
    )
))
ORDER BY ts_1m DESC
LIMIT 1 BY
    exchange,
    market_type,
    symbol
SETTINGS max_threads = 1, compile_expressions = 0, compile_aggregate_expressions = 0, compile_sort_description = 0
