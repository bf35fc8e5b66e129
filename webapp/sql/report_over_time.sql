-- Crashes by outcome from $start to, but without, $end, by $unit (day, week or month); none is a row of zeros.
WITH units AS (
    SELECT date_trunc($unit, "day")::DATE AS since
    FROM range($start::DATE, $end::DATE, INTERVAL 1 DAY) AS days ("day")
    GROUP BY since
),

counted AS (
    SELECT
        date_trunc($unit, crash_date)::DATE AS since,
        count(*) FILTER (WHERE NOT injury) AS no_injury,
        count(*) FILTER (WHERE injury AND NOT coalesce(injury_severe, FALSE)) AS injury,
        count(*) FILTER (WHERE injury_severe) AS severe,
        count(*) FILTER (WHERE injury IS NULL) AS unknown
    FROM crashes
    WHERE crash_date >= $start::DATE AND crash_date < $end::DATE
    GROUP BY since
)

SELECT
    since,
    coalesce(no_injury, 0) AS no_injury,
    coalesce(injury, 0) AS injury,
    coalesce(severe, 0) AS severe,
    coalesce(unknown, 0) AS unknown
FROM units
LEFT JOIN counted USING (since)
ORDER BY since
