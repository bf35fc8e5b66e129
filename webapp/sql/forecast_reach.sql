select min("day")::varchar as "first", max("day")::varchar as "last" from forecasts
where measure = coalesce($measure, measure)
