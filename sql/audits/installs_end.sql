-- name:      installs_end
-- purpose:   no install of a day has been under way for more than an hour
-- grain:     one row per (data_type, day) that is neither old nor new
-- inputs:    marketprism_cold.day_generation
-- time:      changed_at
-- freshness: when read
-- lookahead: none
-- source:    a job that was killed: the next job of the day finishes it
-- severity:  critical
-- every:     300 s
SELECT data_type, day, generation, cause, changed_at
FROM marketprism_cold.day_generation FINAL
WHERE state = 'installing' AND changed_at < now('UTC') - INTERVAL 1 HOUR
ORDER BY data_type, day
