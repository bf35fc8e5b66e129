-- The newest audit that has begun to say what it found.
SELECT run_id
FROM audits
ORDER BY audited_at DESC, run_id
LIMIT 1
