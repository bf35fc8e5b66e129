-- The newest crashes, or the one of this id.
SELECT *
FROM crashes
WHERE ($id IS NULL OR crash_record_id = $id)
ORDER BY crash_date DESC NULLS LAST, crash_record_id
