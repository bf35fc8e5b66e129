-- Hexagons with their crashes; what has no coordinates is in the row without q and r.
select
    q, r,
    round($lat0 + r * $size * sqrt(3) / 2 / $lat_m, 6) as latitude,
    round($lng0 + (q + r / 2) * $size / $lng_m, 6) as longitude,
    crashes, injuries, severe, fatal, known,
    injuries / nullif(known, 0) as injury_share,
    risks / scored as risk
from (
    select
        (cell // 65536)::integer - 32768 as q,
        (cell % 65536)::integer - 32768 as r,
        sum(n)::bigint as crashes,
        sum(if(outcome >= 6, n, 0))::bigint as injuries,
        sum(if(outcome in (2, 5, 8), n, 0))::bigint as severe,
        sum(if(fatal, n, 0))::bigint as fatal,
        sum(if(outcome >= 3, n, 0))::bigint as known,
        sum(risks) as risks,
        sum(scored) as scored
    from (
        select cell, outcome, fatal, count(*) as n, sum(risk) as risks, count(risk) as scored from counted group by all
    )
    group by cell
)
order by q is null, crashes desc, q, r
