-- The newest crashes, or the one of this id.
SELECT *
FROM crashes
WHERE ($id IS NULL OR crash_key = crash_key_of($id))
ORDER BY crash_date DESC NULLS LAST, crash_record_id
