-- How far each table is followed.
SELECT *
FROM watermarks
ORDER BY dataset
