CREATE VIEW marketprism_features.trade_flow_1m_between
COMMENT 'who trades how, by minute (parameters from_ts, to_ts)'
AS SELECT
    t.exchange AS exchange,
    t.market_type AS market_type,
    t.symbol AS symbol,
    t.ts_1m AS ts_1m,
    t.trades AS trades,
    toFloat64(t.signed_volume) / nullIf(toFloat64(t.volume), 0) AS flow_imbalance,
    t.signed_volume AS signed_volume,
    sum(t.signed_volume) OVER (PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cvd,
    countIf(g.of_type != '') OVER (PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS cvd_gaps,
    toFloat64(t.amount) / nullIf(toFloat64(t.volume), 0) AS vwap,
    toFloat64(t.volume) / t.trades AS avg_trade_size,
    toFloat64(t.amount) / t.trades AS avg_trade_quote,
    t.trades / 60 AS trades_per_s,
    toFloat64(t.amount) / 60 AS quote_per_s,
    arraySum(arrayMap((one, other) -> (one = other), arrayPopFront(t.signs), arrayPopBack(t.signs))) / nullIf(t.trades - 1, 0) AS direction_persistence,
    t.large_buy AS large_buy_quote,
    t.large_sell AS large_sell_quote,
    t.retail_buy AS retail_buy_quote,
    t.retail_sell AS retail_sell_quote,
    toFloat64(t.large_buy - t.large_sell) / nullIf(toFloat64(t.large_buy + t.large_sell), 0) AS large_imbalance,
    toFloat64(t.retail_buy - t.retail_sell) / nullIf(toFloat64(t.retail_buy + t.retail_sell), 0) AS retail_imbalance,
    arraySum(arrayMap(a -> (a * a), t.buys)) / nullIf(arraySum(t.buys) * arraySum(t.buys), 0) AS buy_hhi,
    arraySum(arrayMap(a -> (a * a), t.sells)) / nullIf(arraySum(t.sells) * arraySum(t.sells), 0) AS sell_hhi,
    toFloat64((toDecimal256(t.signed_volume, 12) * toInt64(1000 * (toUnixTimestamp(t.ts_1m) + 60))) - t.signed_moments) / 60000 AS tw_cvd,
    arraySum(arrayMap((a, sign) -> (sign * sqrt(a)), t.amounts, t.signs)) AS signed_sqrt_quote,
    if(t.trades >= 4, ((2 * sqrt(greatest(-arrayReduce('covarSampStable', arrayPopFront(t.steps), arrayPopBack(t.steps)), 0))) / vwap) * 10000, NULL) AS roll_spread_bps,
    max(greatest(t.heard_at, toDateTime64(t.ts_1m + 60, 6, 'UTC'))) OVER (PARTITION BY t.exchange, t.market_type, t.symbol, toDate(t.ts_1m) ORDER BY t.ts_1m ASC ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', g.of_type != '', 'gap', 'ok') AS quality
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
    WHERE (bucket_id != 0) AND ((timestamp >= {from_ts:DateTime64(3)}) AND (timestamp <= {to_ts:DateTime64(3)}))
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts_1m
) AS t
LEFT JOIN
(
    SELECT *
    FROM marketprism_features.gap_minutes
    WHERE of_type = 'trades'
) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.ts_1m = t.ts_1m)
