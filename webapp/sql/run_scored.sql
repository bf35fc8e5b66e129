-- How many of a run's merges are scored: Gold has them, and each crash of their month has a score of each serving model.
-- Null where no model serves.
WITH serving AS (
    SELECT target, arg_max(model_version, scored_at) AS model_version FROM scores GROUP BY target
),
scored AS (
    SELECT crash_key FROM scores SEMI JOIN serving USING (target, model_version)
    GROUP BY crash_key HAVING count(*) = (SELECT count(*) FROM serving)
),
lacking AS (
    SELECT DISTINCT coalesce(strftime(crash_date, '%Y-%m'), '0000-00') AS month
    FROM crashes ANTI JOIN scored USING (crash_key)
),
done AS (
    SELECT * FROM run_merges ANTI JOIN lacking USING (month) WHERE run_id = $run_id AND loaded_at IS NOT NULL
)
SELECT if((SELECT count(*) FROM serving) > 0, (SELECT count(*) FROM done), NULL) AS done
