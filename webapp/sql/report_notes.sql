-- What to know of the quality of crashes from $start to, but without, $end; lags are hours until the police knew.
SELECT
    count(*) AS crashes,
    count(*) FILTER (WHERE injury IS NULL) AS outcome_unknown,
    count(*) FILTER (WHERE latitude IS NULL) AS place_unknown,
    count(*) FILTER (WHERE ppl_count = 0) AS without_people,
    count(*) FILTER (WHERE crash_date_est_i) AS time_estimated,
    count(*) FILTER (WHERE len(quality_flags) > 0) AS flagged,
    median(date_diff('minute', crash_date, date_police_notified)) / 60 AS lag_median,
    quantile_cont(date_diff('minute', crash_date, date_police_notified), 0.95) / 60 AS lag_95,
    (SELECT count(*) FROM drifts) AS drifts
FROM crashes
WHERE crash_date >= $start::DATE AND crash_date < $end::DATE
