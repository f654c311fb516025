CREATE VIEW marketprism_features.bulk_volume_1m_between
COMMENT 'bulk volume classification by minute (parameters from_ts, to_ts)'
AS SELECT
    exchange,
    market_type,
    symbol,
    ts_1m,
    volume * share AS bvc_buy_volume,
    volume * (1 - share) AS bvc_sell_volume,
    (2 * share) - 1 AS bvc_imbalance,
    if(window_shares >= 20, arraySum(tilts) / nullIf(arraySum(volumes), 0), NULL) AS vpin_bvc,
    window_shares,
    greatest(known, toDateTime64(ts_1m + 60, 6, 'UTC')) AS available_at,
    multiIf(now64(6, 'UTC') < (available_at + toIntervalSecond(3)), 'partial', window_gaps > 0, 'gap', window_shares < 20, 'warmup', 'ok') AS quality
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        ts_1m,
        volume,
        share,
        groupArrayIf(abs((2 * assumeNotNull(share)) - 1) * volume, share IS NOT NULL) OVER last_50 AS tilts,
        groupArrayIf(volume, share IS NOT NULL) OVER last_50 AS volumes,
        count(share) OVER last_50 AS window_shares,
        countIf(is_hole) OVER last_105 AS window_gaps,
        max(receipt) OVER last_105 AS known
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            ts_1m,
            at_s,
            volume,
            is_hole,
            receipt,
            arrayReduce('stddevSampStable', changes) AS sigma,
            if((change IS NOT NULL) AND (length(changes) >= 20) AND (sigma > 0), 0.5 * (1 + erf((assumeNotNull(change) / sigma) / sqrt(2))), NULL) AS share
        FROM
        (
            SELECT
                *,
                groupArray(change) OVER (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 3000 PRECEDING AND 60 PRECEDING) AS changes
            FROM
            (
                SELECT
                    t.exchange AS exchange,
                    t.market_type AS market_type,
                    t.symbol AS symbol,
                    t.ts_1m AS ts_1m,
                    toUnixTimestamp(t.ts_1m) AS at_s,
                    toFloat64(t.total_volume) AS volume,
                    t.available_at AS receipt,
                    g.of_type != '' AS is_hole,
                    toFloat64(t.close - anyLast(toNullable(t.close)) OVER (PARTITION BY t.exchange, t.market_type, t.symbol ORDER BY at_s ASC RANGE BETWEEN 300 PRECEDING AND 60 PRECEDING)) AS change
                FROM
                (
                    SELECT *
                    FROM marketprism_features.trades_1m
                    WHERE (ts_1m >= {from_ts:DateTime64(3)}) AND (ts_1m <= {to_ts:DateTime64(3)})
                ) AS t
                LEFT JOIN
                (
                    SELECT *
                    FROM marketprism_features.gap_minutes
                    WHERE of_type = 'trades'
                ) AS g ON (g.exchange = t.exchange) AND (g.market_type = t.market_type) AND (g.symbol = t.symbol) AND (g.ts_1m = t.ts_1m)
            )
        )
    )
    WINDOW
        last_50 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 2940 PRECEDING AND CURRENT ROW),
        last_105 AS (PARTITION BY exchange, market_type, symbol ORDER BY at_s ASC RANGE BETWEEN 6240 PRECEDING AND CURRENT ROW)
)
