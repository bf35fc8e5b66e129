-- What somebody may have to look at, as one row.
WITH recent AS (SELECT (now() AT TIME ZONE 'UTC') - INTERVAL 7 DAY AS since),
latest_audit AS (SELECT run_id FROM audits ORDER BY audited_at DESC LIMIT 1),
serving AS (
    SELECT model_version FROM scores GROUP BY target, model_version
    QUALIFY row_number() OVER (PARTITION BY target ORDER BY max(scored_at) DESC) = 1
),
latest_drift AS (
    SELECT model_version, feature, band FROM model_drift SEMI JOIN serving USING (model_version)
    QUALIFY measured_at = max(measured_at) OVER (PARTITION BY model_version)
)
SELECT
    (SELECT count(*) FROM runs, recent WHERE status = 'failed' AND requested_at > since) AS failed_runs,
    (SELECT run_id FROM runs, recent WHERE status = 'failed' AND requested_at > since ORDER BY requested_at DESC LIMIT 1)
        AS failed_run,
    (SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL) AS dead_letters,
    (SELECT count(*) FROM audits SEMI JOIN latest_audit USING (run_id) WHERE missing + gone + moved > 0) AS audit_differences,
    (SELECT run_id FROM latest_audit) AS audit_run,
    (SELECT count(*) FROM latest_drift WHERE band = 'drifted') AS drifted_features,
    (SELECT count(*) FROM drifts, recent WHERE last_seen_at > since) AS schema_drifts,
    (SELECT count(*) FROM watermarks WHERE out_of_date) AS out_of_date,
    (SELECT min(polled_at) FROM watermarks) AS polled_at
