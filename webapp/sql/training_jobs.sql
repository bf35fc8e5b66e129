-- Trainings, the last asked for first; those under way before all others.
SELECT *
FROM training_jobs
ORDER BY ended_at IS NULL DESC, requested_at DESC, request_id
LIMIT $limit
