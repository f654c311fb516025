-- name:      trade_flow_with_holes_of_the_day
-- purpose:   who trades how, by bucket and by minute; how many holes the cumulative volume of the day has in it
-- grain:     one row per (exchange, market_type, symbol, bucket_id) or (…, ts_1m)
-- inputs:    marketprism_features.all_trades, marketprism_features.unified_buckets_between, marketprism_features.bucket_flow, marketprism_features.gap_minutes
-- time:      bucket_ts_end, ts_1m
-- freshness: when read
-- lookahead: none
-- source:    as trade_flow_by_bucket and trade_flow_1m
--
-- quality speaks of the row; cvd is a sum since midnight, so a hole of the morning is in it all day. cvd_gaps says so without
-- making every other column of the afternoon a gap. Parameters as before.
CREATE OR REPLACE VIEW marketprism_features.trade_flow_by_bucket_between
COMMENT 'who trades how, by bucket (parameters from_bucket, to_bucket, since)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.bucket_id AS bucket_id,
    u.bucket_ts_end AS bucket_ts_end,
    t.trades AS trades,
    toFloat64(t.signed_volume) / nullIf(toFloat64(t.volume), 0) AS flow_imbalance,
    t.signed_volume AS signed_volume,
    u.day_cvd AS cvd,
    u.day_gaps AS cvd_gaps,
    toFloat64(t.amount) / nullIf(toFloat64(t.volume), 0) AS vwap,
    toFloat64(t.volume) / t.trades AS avg_trade_size,
    toFloat64(t.amount) / t.trades AS avg_trade_quote,
    t.trades / nullIf((dateDiff('millisecond', u.bucket_ts_start, u.bucket_ts_end) / 1000), 0) AS trades_per_s,
    toFloat64(t.amount) / nullIf((dateDiff('millisecond', u.bucket_ts_start, u.bucket_ts_end) / 1000), 0) AS quote_per_s,
    arraySum(arrayMap((one, other) -> one = other, arrayPopFront(t.signs), arrayPopBack(t.signs))) / nullIf(t.trades - 1, 0) AS direction_persistence,
    t.large_buy AS large_buy_quote,
    t.large_sell AS large_sell_quote,
    t.retail_buy AS retail_buy_quote,
    t.retail_sell AS retail_sell_quote,
    toFloat64(t.large_buy - t.large_sell) / nullIf(toFloat64(t.large_buy + t.large_sell), 0) AS large_imbalance,
    toFloat64(t.retail_buy - t.retail_sell) / nullIf(toFloat64(t.retail_buy + t.retail_sell), 0) AS retail_imbalance,
    arraySum(arrayMap(a -> a * a, t.buys)) / nullIf(arraySum(t.buys) * arraySum(t.buys), 0) AS buy_hhi,
    arraySum(arrayMap(a -> a * a, t.sells)) / nullIf(arraySum(t.sells) * arraySum(t.sells), 0) AS sell_hhi,
    toFloat64(toDecimal256(t.signed_volume, 12) * toUnixTimestamp64Milli(u.bucket_ts_end) - t.signed_moments) / nullIf(1000 * (dateDiff('millisecond', u.bucket_ts_start, u.bucket_ts_end) / 1000), 0) AS tw_cvd,
    arraySum(arrayMap((a, sign) -> sign * sqrt(a), t.amounts, t.signs)) AS signed_sqrt_quote,
    if(t.trades >= 4, 2 * sqrt(greatest(-arrayReduce('covarSampStable', arrayPopFront(t.steps), arrayPopBack(t.steps)), 0)) / vwap * 10000, NULL) AS roll_spread_bps,
    u.day_known AS available_at,
    toString(u.quality) AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        bucket_id,
        count() AS trades,
        sum(quantity) AS volume,
        sumIf(quantity, side = 'buy') - sumIf(quantity, side = 'sell') AS signed_volume,
        sum(toDecimal256(price, 12) * quantity) AS amount,
        sum(if(side = 'buy', 1, -1) * toDecimal256(quantity, 12) * toUnixTimestamp64Milli(timestamp)) AS signed_moments,
        sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity >= 50000) AS large_buy,
        sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity >= 50000) AS large_sell,
        sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_buy,
        sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_sell,
        arraySort(groupArray((sequence, toFloat64(toDecimal256(price, 12) * quantity), if(side = 'buy', 1, -1), toFloat64(price)))) AS tape,
        arrayMap(one -> one.2, tape) AS amounts,
        arrayMap(one -> one.3, tape) AS signs,
        arrayMap(one -> one.2, arrayFilter(one -> one.3 = 1, tape)) AS buys,
        arrayMap(one -> one.2, arrayFilter(one -> one.3 = -1, tape)) AS sells,
        arrayMap((one, other) -> one.4 - other.4, arrayPopFront(tape), arrayPopBack(tape)) AS steps,
        max(received_at) AS heard_at
    FROM marketprism_features.all_trades
    WHERE bucket_id != 0 AND bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}
        AND timestamp BETWEEN greatest((SELECT min(first_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64}), {since:DateTime64(3)})
        AND (SELECT max(last_ts) FROM marketprism_features.bucket_flow WHERE bucket_id BETWEEN {from_bucket:UInt64} AND {to_bucket:UInt64})
    GROUP BY exchange, market_type, symbol, bucket_id
) AS t
INNER JOIN
(
    SELECT
        *,
        sum(buy_vol - sell_vol) OVER of_day AS day_cvd,
        countIf(quality = 'gap') OVER of_day AS day_gaps,
        assumeNotNull(max(available_at) OVER of_day) AS day_known
    FROM marketprism_features.unified_buckets_between(from_bucket = intDiv({from_bucket:UInt64}, 1000000) * 1000000, to_bucket = {to_bucket:UInt64}, newest = 0)
    WINDOW of_day AS (
        PARTITION BY exchange, market_type, symbol, intDiv(bucket_id, 1000000) ORDER BY bucket_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
) AS u
    ON u.exchange = t.exchange AND u.market_type = t.market_type AND u.symbol = t.symbol AND u.bucket_id = t.bucket_id
WHERE u.is_closed AND u.bucket_ts_start >= {since:DateTime64(3)};

CREATE OR REPLACE VIEW marketprism_features.trade_flow_by_bucket
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    bucket_id UInt64 COMMENT 'YYYYMMDD * 1000000 + n of the unified bucket',
    bucket_ts_end DateTime64(3, 'UTC') COMMENT 'latest exchange time of a trade of the bucket, UTC',
    trades UInt64 COMMENT 'number of trades',
    flow_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    cvd Decimal(38, 12) COMMENT 'cumulative signed volume since midnight UTC, base units',
    cvd_gaps UInt64 COMMENT 'buckets of the day so far that an unrepaired hole in the trades touches: 0 where cvd is exact',
    vwap Nullable(Float64) COMMENT 'quote amount / volume, quote units',
    avg_trade_size Float64 COMMENT 'volume per trade, base units',
    avg_trade_quote Float64 COMMENT 'quote amount per trade, quote units',
    trades_per_s Nullable(Float64) COMMENT 'trades per second of the bucket\'s own length; NULL when that is 0',
    quote_per_s Nullable(Float64) COMMENT 'quote amount per second of the bucket\'s own length; NULL when that is 0',
    direction_persistence Nullable(Float64) COMMENT 'share of trades with the taker side of the trade before them, 0 to 1; NULL for one trade',
    large_buy_quote Decimal(76, 24) COMMENT 'quote amount of taker buys of 50,000 or more',
    large_sell_quote Decimal(76, 24) COMMENT 'quote amount of taker sells of 50,000 or more',
    retail_buy_quote Decimal(76, 24) COMMENT 'quote amount of taker buys of at most 1,000',
    retail_sell_quote Decimal(76, 24) COMMENT 'quote amount of taker sells of at most 1,000',
    large_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of large trades\' quote amounts; NULL without any',
    retail_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of retail trades\' quote amounts; NULL without any',
    buy_hhi Nullable(Float64) COMMENT 'concentration of taker buys by quote amount, 1 / trades to 1; NULL without a buy',
    sell_hhi Nullable(Float64) COMMENT 'concentration of taker sells by quote amount, 1 / trades to 1; NULL without a sell',
    tw_cvd Nullable(Float64) COMMENT 'time-weighted mean of the cumulative signed volume within the bucket, base units; NULL for a bucket of no length',
    signed_sqrt_quote Float64 COMMENT 'sum of sign * sqrt(quote amount): the order flow of Hasbrouck\'s lambda',
    roll_spread_bps Nullable(Float64) COMMENT '2 sqrt(-cov of successive price changes) over VWAP, basis points; 0 for a positive covariance, NULL below 4 trades',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality LowCardinality(String) COMMENT 'ok, or gap (a hole in the trades touches the bucket)'
)
COMMENT 'who trades how, by bucket'
AS SELECT *
FROM marketprism_features.trade_flow_by_bucket_between(from_bucket = 0, to_bucket = 99999999999999, since = '1970-01-02 00:00:00');

CREATE OR REPLACE VIEW marketprism_features.trade_flow_1m_between
COMMENT 'who trades how, by minute (parameters from_ts, to_ts)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.ts_1m AS ts_1m,
    t.trades AS trades,
    toFloat64(t.signed_volume) / nullIf(toFloat64(t.volume), 0) AS flow_imbalance,
    t.signed_volume AS signed_volume,
    sum(t.signed_volume) OVER (
        PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS cvd,
    countIf(g.of_type != '') OVER (
        PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS cvd_gaps,
    toFloat64(t.amount) / nullIf(toFloat64(t.volume), 0) AS vwap,
    toFloat64(t.volume) / t.trades AS avg_trade_size,
    toFloat64(t.amount) / t.trades AS avg_trade_quote,
    t.trades / 60 AS trades_per_s,
    toFloat64(t.amount) / 60 AS quote_per_s,
    arraySum(arrayMap((one, other) -> one = other, arrayPopFront(t.signs), arrayPopBack(t.signs))) / nullIf(t.trades - 1, 0) AS direction_persistence,
    t.large_buy AS large_buy_quote,
    t.large_sell AS large_sell_quote,
    t.retail_buy AS retail_buy_quote,
    t.retail_sell AS retail_sell_quote,
    toFloat64(t.large_buy - t.large_sell) / nullIf(toFloat64(t.large_buy + t.large_sell), 0) AS large_imbalance,
    toFloat64(t.retail_buy - t.retail_sell) / nullIf(toFloat64(t.retail_buy + t.retail_sell), 0) AS retail_imbalance,
    arraySum(arrayMap(a -> a * a, t.buys)) / nullIf(arraySum(t.buys) * arraySum(t.buys), 0) AS buy_hhi,
    arraySum(arrayMap(a -> a * a, t.sells)) / nullIf(arraySum(t.sells) * arraySum(t.sells), 0) AS sell_hhi,
    toFloat64(toDecimal256(t.signed_volume, 12) * toInt64(1000 * (toUnixTimestamp(t.ts_1m) + 60)) - t.signed_moments) / 60000 AS tw_cvd,
    arraySum(arrayMap((a, sign) -> sign * sqrt(a), t.amounts, t.signs)) AS signed_sqrt_quote,
    if(t.trades >= 4, 2 * sqrt(greatest(-arrayReduce('covarSampStable', arrayPopFront(t.steps), arrayPopBack(t.steps)), 0)) / vwap * 10000, NULL) AS roll_spread_bps,
    max(greatest(t.heard_at, toDateTime64(t.ts_1m + 60, 6, 'UTC'))) OVER (
        PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS available_at,
    multiIf(now64(6, 'UTC') < available_at + toIntervalSecond(3), 'partial', g.of_type != '', 'gap', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        toStartOfMinute(toDateTime(timestamp, 'UTC')) AS ts_1m,
        count() AS trades,
        sum(quantity) AS volume,
        sumIf(quantity, side = 'buy') - sumIf(quantity, side = 'sell') AS signed_volume,
        sum(toDecimal256(price, 12) * quantity) AS amount,
        sum(if(side = 'buy', 1, -1) * toDecimal256(quantity, 12) * toUnixTimestamp64Milli(timestamp)) AS signed_moments,
        sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity >= 50000) AS large_buy,
        sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity >= 50000) AS large_sell,
        sumIf(toDecimal256(price, 12) * quantity, side = 'buy' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_buy,
        sumIf(toDecimal256(price, 12) * quantity, side = 'sell' AND toDecimal256(price, 12) * quantity <= 1000) AS retail_sell,
        arraySort(groupArray((sequence, toFloat64(toDecimal256(price, 12) * quantity), if(side = 'buy', 1, -1), toFloat64(price)))) AS tape,
        arrayMap(one -> one.2, tape) AS amounts,
        arrayMap(one -> one.3, tape) AS signs,
        arrayMap(one -> one.2, arrayFilter(one -> one.3 = 1, tape)) AS buys,
        arrayMap(one -> one.2, arrayFilter(one -> one.3 = -1, tape)) AS sells,
        arrayMap((one, other) -> one.4 - other.4, arrayPopFront(tape), arrayPopBack(tape)) AS steps,
        max(received_at) AS heard_at
    FROM marketprism_features.all_trades
    WHERE bucket_id != 0 AND timestamp BETWEEN {from_ts:DateTime64(3)} AND {to_ts:DateTime64(3)}
    GROUP BY exchange, market_type, symbol, ts_1m
) AS t
LEFT JOIN (SELECT * FROM marketprism_features.gap_minutes WHERE of_type = 'trades') AS g
    ON g.exchange = t.exchange AND g.market_type = t.market_type AND g.symbol = t.symbol AND g.ts_1m = t.ts_1m;

CREATE OR REPLACE VIEW marketprism_features.trade_flow_1m
(
    exchange LowCardinality(String) COMMENT 'exchange name, lower case',
    market_type LowCardinality(String) COMMENT 'spot, linear, inverse or option',
    symbol LowCardinality(String) COMMENT 'the exchange\'s own id of the instrument',
    ts_1m DateTime('UTC') COMMENT 'start of the minute, exchange time, UTC',
    trades UInt64 COMMENT 'number of trades',
    flow_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) volume, -1 to 1',
    signed_volume Decimal(38, 12) COMMENT 'buy - sell volume, base units',
    cvd Decimal(38, 12) COMMENT 'cumulative signed volume since midnight UTC, base units',
    cvd_gaps UInt64 COMMENT 'minutes of the day so far that an unrepaired hole in the trades touches: 0 where cvd is exact',
    vwap Nullable(Float64) COMMENT 'quote amount / volume, quote units',
    avg_trade_size Float64 COMMENT 'volume per trade, base units',
    avg_trade_quote Float64 COMMENT 'quote amount per trade, quote units',
    trades_per_s Float64 COMMENT 'trades per second of the minute',
    quote_per_s Float64 COMMENT 'quote amount per second of the minute',
    direction_persistence Nullable(Float64) COMMENT 'share of trades with the taker side of the trade before them, 0 to 1; NULL for one trade',
    large_buy_quote Decimal(76, 24) COMMENT 'quote amount of taker buys of 50,000 or more',
    large_sell_quote Decimal(76, 24) COMMENT 'quote amount of taker sells of 50,000 or more',
    retail_buy_quote Decimal(76, 24) COMMENT 'quote amount of taker buys of at most 1,000',
    retail_sell_quote Decimal(76, 24) COMMENT 'quote amount of taker sells of at most 1,000',
    large_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of large trades\' quote amounts; NULL without any',
    retail_imbalance Nullable(Float64) COMMENT '(buy - sell) / (buy + sell) of retail trades\' quote amounts; NULL without any',
    buy_hhi Nullable(Float64) COMMENT 'concentration of taker buys by quote amount, 1 / trades to 1; NULL without a buy',
    sell_hhi Nullable(Float64) COMMENT 'concentration of taker sells by quote amount, 1 / trades to 1; NULL without a sell',
    tw_cvd Float64 COMMENT 'time-weighted mean of the cumulative signed volume within the minute, base units',
    signed_sqrt_quote Float64 COMMENT 'sum of sign * sqrt(quote amount): the order flow of Hasbrouck\'s lambda',
    roll_spread_bps Nullable(Float64) COMMENT '2 sqrt(-cov of successive price changes) over VWAP, basis points; 0 for a positive covariance, NULL below 4 trades',
    available_at DateTime64(6, 'UTC') COMMENT 'when everything behind the row had been received, UTC; as-of reads use it',
    quality String COMMENT 'ok, partial (the minute is not over) or gap (a hole in the trades touches it)'
)
COMMENT 'who trades how, by minute'
AS SELECT *
FROM marketprism_features.trade_flow_1m_between(from_ts = '1970-01-02 00:00:00', to_ts = '2200-01-01 00:00:00');
