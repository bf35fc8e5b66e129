-- Crashes from $start to, but without, $end by day of the week (1 is Monday) and hour.
SELECT day_of_week, "hour", count(*) AS crashes
FROM crashes
WHERE crash_date >= $start::DATE AND crash_date < $end::DATE
GROUP BY ALL
ORDER BY ALL
