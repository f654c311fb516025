-- name:      trend_report
-- purpose:   how often the trend state flips, how long it stays, and how much of the time each state has
-- grain:     one row per (exchange, market_type, symbol)
-- inputs:    marketprism_features.trend_state_by_bucket
-- time:      bucket_id
-- freshness: when read
-- lookahead: none
-- source:    wanted: flips under 5 per 100 buckets, dwell of 10 buckets or more in the mean and 25 or more at its
--            90th percentile, no state above 80 %
-- leak-ok: whole-history: a report of how long states stayed; no feature reads it
SELECT
    exchange,
    market_type,
    symbol,
    sum(dwell) AS buckets,
    100 * (count() - 1) / buckets AS flips_per_100,
    avg(dwell) AS mean_dwell,
    quantileExact(0.9)(dwell) AS p90_dwell,
    sumIf(dwell, trend_state = 'up') / buckets AS share_up,
    sumIf(dwell, trend_state = 'flat') / buckets AS share_flat,
    sumIf(dwell, trend_state = 'down') / buckets AS share_down
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        stay,
        trend_state,
        count() AS dwell
    FROM
    (
        SELECT
            exchange,
            market_type,
            symbol,
            trend_state,
            sum(is_flip) OVER so_far AS stay
        FROM
        (
            SELECT
                exchange,
                market_type,
                symbol,
                bucket_id,
                trend_state,
                trend_state != lagInFrame(trend_state, 1, trend_state) OVER so_far AS is_flip
            FROM marketprism_features.trend_state_by_bucket
            WHERE quality != 'warmup'
            WINDOW so_far AS (
                PARTITION BY exchange, market_type, symbol ORDER BY bucket_id
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            )
        )
        WINDOW so_far AS (
            PARTITION BY exchange, market_type, symbol ORDER BY bucket_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        )
    )
    GROUP BY exchange, market_type, symbol, stay, trend_state
)
GROUP BY exchange, market_type, symbol
ORDER BY exchange, market_type, symbol;
