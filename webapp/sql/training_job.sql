-- One training.
SELECT *
FROM training_jobs
WHERE request_id = $request_id
