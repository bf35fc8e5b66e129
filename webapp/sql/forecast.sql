-- Of the city, of one beat, or of all beats.
select "day", measure, beat, expected, low_80, high_80, low_95, high_95, method, data_through, made_at
from forecasts
where "day" between coalesce($first::date, '0001-01-01') and coalesce($last::date, '9999-12-31')
    and measure = coalesce($measure, measure)
    and level = $level
    and ($beat is null or beat = $beat)
order by "day", beat, measure
