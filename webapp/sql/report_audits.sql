-- Audits, the newest first, each with its sums over months and tables; `agree` is null until the comparison is over.
WITH found AS (
    SELECT
        run_id,
        count(DISTINCT month) AS months,
        count(*) AS comparisons,
        count(*) FILTER (WHERE portal <> ours OR missing > 0 OR gone > 0 OR moved > 0) AS differing,
        sum(portal)::BIGINT AS portal,
        sum(ours)::BIGINT AS ours,
        sum(missing)::BIGINT AS missing,
        sum(gone)::BIGINT AS gone,
        sum(moved)::BIGINT AS moved,
        max(audited_at) AS audited_at
    FROM audits
    GROUP BY run_id
)

SELECT
    runs.run_id,
    runs.status,
    runs."start",
    runs."end",
    runs.requested_at,
    found.audited_at,
    coalesce(found.months, 0) AS months,
    coalesce(found.comparisons, 0) AS comparisons,
    coalesce(found.portal, 0) AS portal,
    coalesce(found.ours, 0) AS ours,
    coalesce(found.missing, 0) AS missing,
    coalesce(found.gone, 0) AS gone,
    coalesce(found.moved, 0) AS moved,
    if(runs.windows IS NULL, NULL, coalesce(found.differing, 0) = 0) AS agree
FROM runs
LEFT JOIN found USING (run_id)
WHERE runs.kind = 'audit' OR found.run_id IS NOT NULL
ORDER BY coalesce(runs.requested_at, found.audited_at) DESC NULLS LAST, runs.run_id DESC
LIMIT $limit
