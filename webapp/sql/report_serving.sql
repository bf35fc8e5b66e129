-- The model that scored last, for each target.
SELECT target, model_version, any_value(tier) AS tier, count(*) AS crashes_scored, max(scored_at) AS latest_at
FROM scores
GROUP BY target, model_version
QUALIFY row_number() OVER (PARTITION BY target ORDER BY latest_at DESC, model_version DESC) = 1
ORDER BY target
