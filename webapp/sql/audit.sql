-- What an audit found, a row a month and table.
SELECT dataset, month, portal, ours, missing, gone, moved, audited_at
FROM audits
WHERE run_id = $run_id
ORDER BY month, dataset
