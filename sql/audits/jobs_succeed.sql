-- name:      jobs_succeed
-- purpose:   the newest run of every job ended well
-- grain:     one row per job whose newest run failed
-- inputs:    marketprism_features.job_runs
-- time:      finished_at
-- freshness: when read
-- lookahead: none
-- source:    job_runs
-- severity:  warning
-- every:     300 s
SELECT job, argMax(state, finished_at) AS newest_state, argMax(error, finished_at) AS newest_error, max(finished_at) AS ended_at
FROM marketprism_features.job_runs
WHERE finished_at >= now('UTC') - INTERVAL 7 DAY
GROUP BY job
HAVING newest_state = 'failed'
ORDER BY job
