-- Crashes of the newest 45 days in Gold by outcome; a day without crashes is a row of zeros.
WITH newest AS (
    SELECT max(crash_date)::DATE AS day
    FROM crashes
),

days AS (
    SELECT (newest.day - ago.days::INTEGER)::DATE AS day
    FROM newest, range(45) AS ago (days)
    WHERE newest.day IS NOT NULL
)

SELECT
    days.day,
    count(*) FILTER (WHERE NOT crashes.injury) AS no_injury,
    count(*) FILTER (WHERE crashes.injury AND NOT coalesce(crashes.injury_severe, FALSE)) AS injury,
    count(*) FILTER (WHERE crashes.injury_severe) AS severe,
    count(*) FILTER (WHERE crashes.crash_record_id IS NOT NULL AND crashes.injury IS NULL) AS unknown
FROM days
LEFT JOIN crashes
    ON crashes.crash_date >= days.day AND crashes.crash_date < days.day + INTERVAL 1 DAY
GROUP BY days.day
ORDER BY days.day
