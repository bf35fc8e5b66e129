-- All vehicles of crashes of these ids, which are joined by commas.
SELECT *
FROM vehicles
WHERE crash_key IN (SELECT crash_key_of(unnest(string_split($ids, ','))))
