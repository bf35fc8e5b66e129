-- Crashes by outcome in the last 7, 30 and 365 days of the data, and in the same days a year before; `whole` says
-- whether the copy reaches back so far.
WITH per_day AS (
    SELECT
        crash_date::DATE AS crash_day,
        count(*) AS crashes,
        count(*) FILTER (WHERE NOT injury) AS no_injury,
        count(*) FILTER (WHERE injury AND NOT coalesce(injury_severe, FALSE)) AS injury,
        count(*) FILTER (WHERE injury_severe) AS severe,
        count(*) FILTER (WHERE injury IS NULL) AS unknown,
        coalesce(sum(injuries_total), 0)::BIGINT AS injured,
        coalesce(sum(injuries_fatal), 0)::BIGINT AS killed
    FROM crashes
    WHERE crash_date IS NOT NULL
    GROUP BY crash_day
),

reach AS (
    SELECT min(crash_day) AS first_day, max(crash_day) AS last_day
    FROM per_day
),

spans AS (
    SELECT
        lengths.days,
        ago.years,
        (reach.last_day - lengths.days + 1 - to_years(ago.years))::DATE AS first_day,
        (reach.last_day - to_years(ago.years))::DATE AS last_day,
        reach.first_day AS known_from
    FROM reach, (VALUES (7), (30), (365)) AS lengths (days), (VALUES (0), (1)) AS ago (years)
    WHERE reach.last_day IS NOT NULL
)

SELECT
    spans.days,
    spans.years = 1 AS a_year_before,
    spans.first_day,
    spans.last_day,
    spans.known_from <= spans.first_day AS whole,
    coalesce(sum(crashes), 0)::BIGINT AS crashes,
    coalesce(sum(no_injury), 0)::BIGINT AS no_injury,
    coalesce(sum(injury), 0)::BIGINT AS injury,
    coalesce(sum(severe), 0)::BIGINT AS severe,
    coalesce(sum(unknown), 0)::BIGINT AS unknown,
    coalesce(sum(injured), 0)::BIGINT AS injured,
    coalesce(sum(killed), 0)::BIGINT AS killed
FROM spans
LEFT JOIN per_day ON per_day.crash_day BETWEEN spans.first_day AND spans.last_day
GROUP BY spans.days, spans.years, spans.first_day, spans.last_day, spans.known_from
ORDER BY spans.days, spans.years
