-- The first and the last crash in Gold.
SELECT min(crash_date) AS data_from, max(crash_date) AS data_through
FROM crashes
