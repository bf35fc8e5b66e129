-- Crashes of a span after one of them, the earliest first.
SELECT *
FROM crashes
WHERE crash_date < $end::TIMESTAMP
  AND (crash_date > $after::TIMESTAMP OR (crash_date = $after::TIMESTAMP AND crash_record_id > $after_id))
ORDER BY crash_date, crash_record_id
