-- Vehicles in the crashes by type. `hits` of them were in a crash with an injury, `known` in one whose outcome is known.
select
    period, vehicle_type,
    vehicles, vehicles / days as per_day,
    hits, known, hits / nullif(known, 0) as rate
from (
    select
        period,
        coalesce(vehicle_type, 'UNKNOWN') as vehicle_type,
        count(*) as vehicles,
        count(*) filter (injury) as hits,
        count(injury) as known
    from vehicles join (select period, injury, crash_key from matching) using (crash_key)
    where coalesce(unit_type, '') not in ('PEDESTRIAN', 'BICYCLE') -- units, but no vehicles
    group by all
)
join (select period, count(*) as days from days group by all) using (period)
order by period, vehicles desc, vehicle_type
