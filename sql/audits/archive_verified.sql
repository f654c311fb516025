-- name:      archive_verified
-- purpose:   every archived day was equal on both sides
-- grain:     one row per (archive_date, data_type, exchange) that was not
-- inputs:    marketprism_cold.archive_status
-- time:      archive_date
-- freshness: when read
-- lookahead: none
-- source:    count and order-independent hash
-- severity:  critical
-- every:     3600 s
SELECT archive_date, data_type, exchange, records_archived
FROM marketprism_cold.archive_status FINAL
WHERE NOT verified
ORDER BY archive_date, data_type, exchange
