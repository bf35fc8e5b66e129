-- The merges of one run.
SELECT *
FROM run_merges
WHERE run_id = $run_id
ORDER BY month, page_id
