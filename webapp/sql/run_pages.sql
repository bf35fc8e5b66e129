-- The pages of one run, with the times of each stage. A page is merged, and loaded, when each of its months is.
SELECT
    run_pages.*,
    run_plans.planned_at,
    coalesce(merges.merged, 0) AS months_merged,
    coalesce(merges.loaded, 0) AS months_loaded,
    if(merges.merged = len(run_pages.months), merges.merged_at, NULL) AS merged_at,
    if(merges.loaded = len(run_pages.months), merges.loaded_at, NULL) AS loaded_at
FROM run_pages
LEFT JOIN run_plans ON run_plans.run_id = run_pages.run_id
LEFT JOIN (
    SELECT
        page_id,
        count(*) AS merged,
        count(loaded_at) AS loaded,
        max(merged_at) AS merged_at,
        max(loaded_at) AS loaded_at
    FROM run_merges
    WHERE run_id = $run_id
    GROUP BY page_id
) AS merges ON merges.page_id = run_pages.page_id
WHERE run_pages.run_id = $run_id
ORDER BY run_pages.page_id
