-- The beats of which something is forecast, with what is expected of them in the days to come.
select beat, min("day") as "from", max("day") as "to",
    coalesce(sum(expected) filter (measure = 'crashes'), 0) as crashes,
    coalesce(sum(expected) filter (measure = 'injuries'), 0) as injuries
from forecasts
where level = 'beat'
group by beat
order by beat
