-- The key figures of crashes from $start to, but without, $end. What is not known yet counts in no figure but its own.
SELECT
    count(*) AS crashes,
    coalesce(sum(injuries_total), 0)::BIGINT AS injured,
    coalesce(sum(injuries_fatal), 0)::BIGINT AS killed,
    count(*) FILTER (WHERE injury) AS injury_crashes,
    count(*) FILTER (WHERE injury_severe) AS severe_crashes,
    count(*) FILTER (WHERE first_crash_type IN ('PEDESTRIAN', 'PEDALCYCLIST')) AS on_foot_or_bicycle,
    count(*) FILTER (WHERE hit_and_run_i) AS hit_and_run,
    count(*) FILTER (WHERE injury IS NULL) AS outcome_unknown
FROM crashes
WHERE crash_date >= $start::DATE AND crash_date < $end::DATE
