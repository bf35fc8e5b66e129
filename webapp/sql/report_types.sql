-- The most frequent crash types from $start to, but without, $end, and how many there were a year before.
SELECT
    coalesce(first_crash_type, 'not known') AS kind,
    count(*) FILTER (WHERE crash_date >= $start::DATE) AS crashes,
    count(*) FILTER (WHERE crash_date >= $start::DATE AND injury) AS injury_crashes,
    count(*) FILTER (WHERE crash_date >= $start::DATE AND injury_severe) AS severe_crashes,
    count(*) FILTER (WHERE crash_date < $before_end::DATE) AS before
FROM crashes
WHERE (crash_date >= $start::DATE AND crash_date < $end::DATE)
    OR (crash_date >= $before_start::DATE AND crash_date < $before_end::DATE)
GROUP BY kind
HAVING crashes > 0
ORDER BY crashes DESC, kind
LIMIT 10
