-- How many runs of each kind and state `report_runs` has to choose from.
SELECT coalesce(kind, 'unknown') AS kind, status, count(*) AS runs
FROM runs
WHERE ($since IS NULL OR requested_at >= $since::TIMESTAMP)
    AND ($until IS NULL OR requested_at < $until::TIMESTAMP)
    AND (NOT $changed_only::BOOLEAN OR crashes_changed > 0 OR status <> 'complete')
GROUP BY ALL
ORDER BY ALL
