-- The pages of one run.
SELECT *
FROM run_pages
WHERE run_id = $run_id
ORDER BY page_id
