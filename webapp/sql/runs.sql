-- Runs, newest first; those under way before all others.
SELECT *
FROM runs
ORDER BY status = 'running' DESC, requested_at DESC NULLS LAST, run_id
LIMIT $limit
