-- What an audit found, by month and dataset.
SELECT *
FROM audits
WHERE run_id = $run_id
ORDER BY month, dataset
