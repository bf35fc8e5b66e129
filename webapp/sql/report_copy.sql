-- The copy beside its tables of crashes: months, pages, runs by state, dead letters.
SELECT
    (SELECT count(*) FROM applied) AS months,
    count(*) FILTER (WHERE status = 'running') AS running,
    count(*) FILTER (WHERE status = 'complete') AS complete,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    coalesce(sum(pages_fetched), 0)::BIGINT AS pages,
    coalesce(sum(bytes_fetched), 0)::BIGINT AS bytes_archived,
    (SELECT count(*) FROM dead_letters) AS dead_letters,
    (SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL) AS dead_letters_waiting
FROM runs
