CREATE VIEW marketprism_features.agg_trades_by
COMMENT 'order flow by a multiple of minutes (parameter minutes)'
AS SELECT
    *,
    taker_buy_qty - taker_sell_qty AS cvd_qty,
    taker_buy_quote - taker_sell_quote AS cvd_quote,
    toFloat64(quote_volume) / nullIf(toFloat64(base_volume), 0) AS vwap,
    whale_buy_quote - whale_sell_quote AS whale_cvd_quote,
    retail_buy_quote - retail_sell_quote AS retail_cvd_quote,
    toFloat64(quote_volume) / trade_count AS avg_trade_quote,
    toFloat64(base_volume) / trade_count AS avg_trade_base,
    toFloat64(taker_buy_quote) / nullIf(taker_buy_trade_count, 0) AS taker_buy_avg_trade_quote,
    toFloat64(taker_sell_quote) / nullIf(taker_sell_trade_count, 0) AS taker_sell_avg_trade_quote,
    toFloat64(taker_buy_quote_sq) / nullIf(toFloat64(taker_buy_quote) * toFloat64(taker_buy_quote), 0) AS taker_buy_hhi_quote,
    toFloat64(taker_sell_quote_sq) / nullIf(toFloat64(taker_sell_quote) * toFloat64(taker_sell_quote), 0) AS taker_sell_hhi_quote,
    toFloat64(cvd_quote) / nullIf(toFloat64(quote_volume), 0) AS imbalance_ratio_quote,
    (toFloat64(weighted_cvd) / weights) * {minutes:UInt32} AS tw_cvd_quote_norm,
    price_close - price_open AS price_change,
    toFloat64(cvd_quote) / nullIf(toFloat64(abs(price_change)), 0) AS cvd_per_abs_price_change
FROM
(
    SELECT
        m.exchange AS exchange,
        m.market_type AS market_type,
        m.symbol AS symbol,
        toStartOfInterval(m.ts_1m, toIntervalMinute({minutes:UInt32})) AS ts,
        sum(m.trade_count) AS trade_count,
        sum(m.base_volume) AS base_volume,
        sum(m.quote_volume) AS quote_volume,
        sum(m.taker_buy_qty) AS taker_buy_qty,
        sum(m.taker_sell_qty) AS taker_sell_qty,
        sum(m.taker_buy_quote) AS taker_buy_quote,
        sum(m.taker_sell_quote) AS taker_sell_quote,
        sum(m.taker_buy_quote_sq) AS taker_buy_quote_sq,
        sum(m.taker_sell_quote_sq) AS taker_sell_quote_sq,
        sum(m.taker_buy_trade_count) AS taker_buy_trade_count,
        sum(m.taker_sell_trade_count) AS taker_sell_trade_count,
        sum(m.whale_buy_quote) AS whale_buy_quote,
        sum(m.whale_sell_quote) AS whale_sell_quote,
        sum(m.retail_buy_quote) AS retail_buy_quote,
        sum(m.retail_sell_quote) AS retail_sell_quote,
        argMin(m.price_first, m.ts_1m) AS price_open,
        argMax(m.price_last, m.ts_1m) AS price_close,
        max(m.price_high) AS price_high,
        min(m.price_low) AS price_low,
        sum((m.taker_buy_quote - m.taker_sell_quote) * ((intDiv(toUnixTimestamp(m.ts_1m), 60) % {minutes:UInt32}) + 1)) AS weighted_cvd,
        sum((intDiv(toUnixTimestamp(m.ts_1m), 60) % {minutes:UInt32}) + 1) AS weights,
        greatest(max(m.available_at), toDateTime64(ts + ({minutes:UInt32} * 60), 6, 'UTC')) AS available_at,
        multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', ((exchange, market_type, symbol, ts) IN (
            SELECT
                exchange,
                market_type,
                symbol,
                toStartOfInterval(ts_1m, toIntervalMinute({minutes:UInt32}))
            FROM marketprism_features.gap_minutes
            WHERE of_type = 'trades'
        )), 'gap', 'ok') AS quality
    FROM marketprism_features.agg_trades_1m AS m
    GROUP BY
        exchange,
        market_type,
        symbol,
        ts
)
