-- What has passed each stage, over all runs. Of each target, the version that scored last is the one that serves.
WITH serving AS (
    SELECT target, model_version, count(*) AS crashes, max(scored_at) AS latest_at FROM scores GROUP BY target, model_version
    QUALIFY row_number() OVER (PARTITION BY target ORDER BY latest_at DESC) = 1
)
SELECT
    coalesce(sum(pages_fetched), 0)::BIGINT AS pages_fetched,
    coalesce(sum(rows_fetched), 0)::BIGINT AS rows_fetched,
    coalesce(sum(bytes_fetched), 0)::BIGINT AS bytes_archived,
    coalesce(sum(merges_done), 0)::BIGINT AS merges_done,
    coalesce(sum(merges_expected), 0)::BIGINT AS merges_expected,
    coalesce(sum(merges_loaded), 0)::BIGINT AS merges_loaded,
    (SELECT min(crashes) FROM serving) AS crashes_scored, -- by all models that serve; null where none does
    count(*) FILTER (WHERE status = 'running') AS running,
    (SELECT count(DISTINCT month) FROM run_merges) AS months_merged,
    (SELECT count(*) FROM applied) AS months_loaded,
    (SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL) AS dead_letters
FROM runs
