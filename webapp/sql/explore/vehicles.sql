-- Vehicles in the crashes by type. `hits` of them were in a crash with an injury, `known` in one whose outcome is known.
select
    if(period = 0, 'chosen', 'compared') as period, vehicle_type,
    vehicles, vehicles / days as per_day,
    hits, known, hits / nullif(known, 0) as rate
from (
    select
        period,
        word_of('vehicle_type', vehicle_type) as vehicle_type,
        sum(n)::bigint as vehicles,
        sum(if(outcome >= 6, n, 0))::bigint as hits,
        sum(if(outcome >= 3, n, 0))::bigint as known
    from (select period, vehicle_type, outcome, count(*) as n from matching group by all)
    group by all
)
join (select period, count(*) as days from days group by all) using (period)
order by period, vehicles desc, vehicle_type
