CREATE VIEW marketprism_features.trade_flow_by_bucket_between
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
    arraySum(arrayMap((one, other) -> (one = other), arrayPopFront(t.signs), arrayPopBack(t.signs))) / nullIf(t.trades - 1, 0) AS direction_persistence,
    t.large_buy AS large_buy_quote,
    t.large_sell AS large_sell_quote,
    t.retail_buy AS retail_buy_quote,
    t.retail_sell AS retail_sell_quote,
    toFloat64(t.large_buy - t.large_sell) / nullIf(toFloat64(t.large_buy + t.large_sell), 0) AS large_imbalance,
    toFloat64(t.retail_buy - t.retail_sell) / nullIf(toFloat64(t.retail_buy + t.retail_sell), 0) AS retail_imbalance,
    arraySum(arrayMap(a -> (a * a), t.buys)) / nullIf(arraySum(t.buys) * arraySum(t.buys), 0) AS buy_hhi,
    arraySum(arrayMap(a -> (a * a), t.sells)) / nullIf(arraySum(t.sells) * arraySum(t.sells), 0) AS sell_hhi,
    toFloat64((toDecimal256(t.signed_volume, 12) * toUnixTimestamp64Milli(u.bucket_ts_end)) - t.signed_moments) / nullIf(1000 * (dateDiff('millisecond', u.bucket_ts_start, u.bucket_ts_end) / 1000), 0) AS tw_cvd,
    arraySum(arrayMap((a, sign) -> (sign * sqrt(a)), t.amounts, t.signs)) AS signed_sqrt_quote,
    if(t.trades >= 4, ((2 * sqrt(greatest(-arrayReduce('covarSampStable', arrayPopFront(t.steps), arrayPopBack(t.steps)), 0))) / vwap) * 10000, NULL) AS roll_spread_bps,
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
        sum((if(side = 'buy', 1, -1) * toDecimal256(quantity, 12)) * toUnixTimestamp64Milli(timestamp)) AS signed_moments,
        sumIf(toDecimal256(price, 12) * quantity, (side = 'buy') AND ((toDecimal256(price, 12) * quantity) >= 50000)) AS large_buy,
        sumIf(toDecimal256(price, 12) * quantity, (side = 'sell') AND ((toDecimal256(price, 12) * quantity) >= 50000)) AS large_sell,
        sumIf(toDecimal256(price, 12) * quantity, (side = 'buy') AND ((toDecimal256(price, 12) * quantity) <= 1000)) AS retail_buy,
        sumIf(toDecimal256(price, 12) * quantity, (side = 'sell') AND ((toDecimal256(price, 12) * quantity) <= 1000)) AS retail_sell,
        arraySort(groupArray((sequence, toFloat64(toDecimal256(price, 12) * quantity), if(side = 'buy', 1, -1), toFloat64(price)))) AS tape,
        arrayMap(one -> (one.2), tape) AS amounts,
        arrayMap(one -> (one.3), tape) AS signs,
        arrayMap(one -> (one.2), arrayFilter(one -> ((one.3) = 1), tape)) AS buys,
        arrayMap(one -> (one.2), arrayFilter(one -> ((one.3) = -1), tape)) AS sells,
        arrayMap((one, other) -> ((one.4) - (other.4)), arrayPopFront(tape), arrayPopBack(tape)) AS steps,
        max(received_at) AS heard_at
    FROM marketprism_features.all_trades
    WHERE (bucket_id != 0) AND ((bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})) AND ((timestamp >= greatest((
        SELECT min(first_ts)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    ), {since:DateTime64(3)})) AND (timestamp <= (
        SELECT max(last_ts)
        FROM marketprism_features.bucket_flow
        WHERE (bucket_id >= {from_bucket:UInt64}) AND (bucket_id <= {to_bucket:UInt64})
    )))
    GROUP BY
        exchange,
        market_type,
        symbol,
        bucket_id
) AS t
INNER JOIN
(
    SELECT
        *,
        sum(buy_vol - sell_vol) OVER of_day AS day_cvd,
        countIf(quality = 'gap') OVER of_day AS day_gaps,
        assumeNotNull(max(available_at) OVER of_day) AS day_known
    FROM `marketprism_features.unified_buckets_between`(from_bucket = (intDiv({from_bucket:UInt64}, 1000000) * 1000000), to_bucket = {to_bucket:UInt64}, newest = 0)
    WINDOW of_day AS (PARTITION BY exchange, market_type, symbol, intDiv(bucket_id, 1000000) ORDER BY bucket_id ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
) AS u ON (u.exchange = t.exchange) AND (u.market_type = t.market_type) AND (u.symbol = t.symbol) AND (u.bucket_id = t.bucket_id)
WHERE u.is_closed AND (u.bucket_ts_start >= {since:DateTime64(3)})
