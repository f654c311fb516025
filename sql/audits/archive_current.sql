-- name:      archive_current
-- purpose:   hot days older than two days, into which nothing was stored for a day, are in cold
-- grain:     one row per (data_type, day) that is overdue
-- inputs:    marketprism_cold.archive_status
-- time:      archive_date
-- freshness: when read
-- lookahead: none
-- source:    `marketprism archive` runs daily; settled funding of the last weeks is fetched at a collector's first start
-- severity:  warning
-- every:     3600 s
SELECT table AS data_type, partition_id AS day, sum(rows) AS stored_rows
FROM system.parts
WHERE active AND rows > 0 AND database = 'marketprism_hot' AND table IN (
    'trades', 'orderbooks', 'best_quotes', 'funding_rates', 'open_interests', 'liquidations', 'lsr_top_positions', 'lsr_all_accounts',
    'volatility_indices', 'gaps')
    AND toUInt32OrZero(partition_id) < toYYYYMMDD(now('UTC') - INTERVAL 2 DAY)
    AND (data_type, day) NOT IN (
        SELECT data_type, toString(toYYYYMMDD(archive_date)) FROM marketprism_cold.archive_status FINAL WHERE verified)
GROUP BY data_type, day
HAVING max(modification_time) < now() - INTERVAL 26 HOUR
ORDER BY data_type, day
