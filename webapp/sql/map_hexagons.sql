-- Hexagons with their crashes; what has no coordinates is in the row without q and r.
select
    q, r,
    round($lat0 + r * $size * sqrt(3) / 2 / $lat_m, 6) as latitude,
    round($lng0 + (q + r / 2) * $size / $lng_m, 6) as longitude,
    count(*) as crashes,
    count(*) filter (where injury) as injuries,
    count(*) filter (where injury_severe) as severe,
    count(*) filter (where injuries_fatal >= 1) as fatal,
    count(injury) as known,
    injuries / nullif(known, 0) as injury_share,
    avg(probability) as risk
from placed
left join (select crash_key, probability from scores where target = 'injury') using (crash_key)
group by q, r
order by q is null, crashes desc, q, r
