-- name:      no_open_dead_letters
-- purpose:   no row or frame of the last day waits as a dead letter
-- grain:     one row per (data_type, error)
-- inputs:    marketprism_hot.dead_letters
-- time:      first_seen
-- freshness: when read
-- lookahead: none
-- source:    what fails validation is kept with its reason
-- severity:  warning
-- every:     60 s
SELECT data_type, error, count() AS letters, min(first_seen) AS first_at, max(first_seen) AS last_at
FROM marketprism_hot.dead_letters FINAL
WHERE status = 'open' AND first_seen >= now('UTC') - INTERVAL 1 DAY
GROUP BY data_type, error
ORDER BY data_type, error
