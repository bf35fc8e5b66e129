-- The last runs that did something: polls that found nothing new would be all there is to see.
SELECT *
FROM runs
WHERE NOT (kind = 'stream' AND status = 'complete' AND coalesce(crashes_changed, 0) = 0)
ORDER BY status = 'running' DESC, requested_at DESC NULLS LAST, run_id
LIMIT $limit
