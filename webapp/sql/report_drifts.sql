-- Columns of the portal that are not as they were known, the last seen first.
SELECT *
FROM drifts
ORDER BY last_seen_at DESC, dataset, "column", drift
