-- When each stage last did something, and how much of late. Times are in UTC, as all of ours.
WITH happened AS (
    SELECT 'fetch' AS stage, fetched_at AS happened_at, rows FROM run_pages
    UNION ALL
    SELECT 'merge', merged_at, rows FROM run_merges
    UNION ALL
    SELECT 'load', loaded_at, crashes_changed FROM run_merges
    UNION ALL
    SELECT 'score', scored_at, 1 FROM scores
)
SELECT
    stage,
    max(happened_at) AS last_at,
    coalesce(sum(rows) FILTER (WHERE happened_at > (now() AT TIME ZONE 'UTC') - INTERVAL 5 MINUTE), 0)::BIGINT AS last_5_minutes
FROM happened
GROUP BY stage
