-- All vehicles of crashes of these ids, which are joined by commas.
SELECT *
FROM vehicles
WHERE crash_record_id IN (SELECT unnest(string_split($ids, ',')))
