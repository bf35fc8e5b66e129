-- How many crashes a span has.
SELECT count(*) AS crashes
FROM crashes
WHERE crash_date >= $start::TIMESTAMP AND crash_date < $end::TIMESTAMP
