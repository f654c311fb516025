-- name:      no_open_dead_letters
-- purpose:   no row or frame waits as a dead letter, however old
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
WHERE status = 'open'
GROUP BY data_type, error
ORDER BY data_type, error
