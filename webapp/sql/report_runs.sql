-- Runs asked for from $since to, but without, $until (UTC), newest first. A poll that changed no crash is left out by
-- $changed_only, unless it is under way or has failed.
SELECT *
FROM runs
WHERE ($kind IS NULL OR kind = $kind)
    AND ($status IS NULL OR status = $status)
    AND ($since IS NULL OR requested_at >= $since::TIMESTAMP)
    AND ($until IS NULL OR requested_at < $until::TIMESTAMP)
    AND (NOT $changed_only::BOOLEAN OR crashes_changed > 0 OR status <> 'complete')
ORDER BY requested_at DESC NULLS LAST, run_id DESC
LIMIT $limit OFFSET $offset
