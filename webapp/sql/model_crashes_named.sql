-- Crashes of these ids, which are joined by commas, the earliest first.
SELECT *
FROM crashes
WHERE crash_key IN (SELECT crash_key_of(unnest(string_split($ids, ','))))
ORDER BY crash_date, crash_record_id
