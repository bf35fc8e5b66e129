-- The cells of the grid (hundredths of a degree) with the most people injured from $start to, but without, $end.
SELECT
    grid_id,
    any_value(lat_bin) AS latitude,
    any_value(lng_bin) AS longitude,
    mode(street_name) AS street,
    count(*) AS crashes,
    coalesce(sum(injuries_total), 0)::BIGINT AS injured,
    coalesce(sum(injuries_fatal), 0)::BIGINT AS killed,
    count(*) FILTER (WHERE injury_severe) AS severe_crashes
FROM crashes
WHERE crash_date >= $start::DATE AND crash_date < $end::DATE AND grid_id IS NOT NULL
GROUP BY grid_id
ORDER BY injured DESC, severe_crashes DESC, crashes DESC, grid_id
LIMIT 10
