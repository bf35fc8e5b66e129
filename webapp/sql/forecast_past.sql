-- Crashes, or crashes with an injury, of each of the last days: of the city, or of one beat; `complete` once all are told.
-- Days without a crash are days of none, as far as the city has some.
with newest as (select least(max(crash_date), now()::timestamp)::date as "day" from crashes),
days as (
    select crash_date::date as "day",
        count(*) filter ($beat is null or beat_of_occurrence = $beat) as crashes,
        count(*) filter (injury and ($beat is null or beat_of_occurrence = $beat)) as injuries
    from crashes, newest
    where crash_date >= newest."day" - ($days - 1) * interval 1 day and crash_date < newest."day" + interval 1 day
    group by all
),
reach as (select measure, any_value(complete_through) as complete_through from forecast_backtests group by measure)
select days."day", measures.measure, $beat::integer as beat,
    case measures.measure when 'crashes' then days.crashes else days.injuries end as "count",
    coalesce(days."day" <= reach.complete_through, false) as complete
from days
cross join (values ('crashes'), ('injuries')) as measures (measure)
left join reach using (measure)
where measures.measure = coalesce($measure, measures.measure)
order by days."day", measures.measure
