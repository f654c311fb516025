-- name:      trend_report
-- purpose:   how often the trend state flips, how long it stays, and how much of the time each state has
-- grain:     one row per (exchange, market_type, symbol)
-- inputs:    marketprism_features.trend_state_by_bucket
-- time:      bucket_id
-- freshness: when read
-- lookahead: none
-- source:    wanted: flips under 5 per 100 buckets, mean dwell of 10 or more, no state above 80 %
SELECT
    exchange,
    market_type,
    symbol,
    count() AS buckets,
    100 * countIf(number > 1 AND is_flip) / buckets AS flips_per_100,
    buckets / (countIf(number > 1 AND is_flip) + 1) AS mean_dwell,
    countIf(trend_state = 'up') / buckets AS share_up,
    countIf(trend_state = 'flat') / buckets AS share_flat,
    countIf(trend_state = 'down') / buckets AS share_down
FROM
(
    SELECT
        exchange,
        market_type,
        symbol,
        trend_state,
        trend_state != lagInFrame(trend_state) OVER so_far AS is_flip,
        row_number() OVER so_far AS number
    FROM marketprism_features.trend_state_by_bucket
    WHERE quality != 'warmup'
    WINDOW so_far AS (
        PARTITION BY exchange, market_type, symbol ORDER BY bucket_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
)
GROUP BY exchange, market_type, symbol
ORDER BY exchange, market_type, symbol;
