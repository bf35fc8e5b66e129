-- Crashes since a time, drawn by a hash of their ids: the same ones each time, and spread over the whole span.
SELECT *
FROM crashes
WHERE crash_date >= $start::TIMESTAMP
ORDER BY hash(crash_record_id)
