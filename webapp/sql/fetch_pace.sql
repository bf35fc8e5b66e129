-- How many rows a second the last runs took from the request to the last row in Gold. Null where there was none.
WITH past AS (
    SELECT rows_fetched, epoch(finished_at - requested_at) AS seconds
    FROM runs
    WHERE status = 'complete' AND rows_fetched >= 1000 AND finished_at > requested_at
    ORDER BY finished_at DESC
    LIMIT 20
)
SELECT count(*) AS runs, sum(rows_fetched) / sum(seconds) AS rows_per_second
FROM past
