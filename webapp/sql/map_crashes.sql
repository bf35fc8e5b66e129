-- Crashes, the newest first; with $q and $r those of one hexagon, with $since those after that time.
, newest as materialized (
    select crash_key, cell, risk, risky from counted
    where ($since::timestamp is null or crash_date > $since::timestamp)
        and ($q::bigint is null or cell = ($q::bigint + 32768) * 65536 + $r::bigint + 32768)
    order by crash_date desc nulls last, crash_key desc
    limit $limit offset $offset
)

select
    crash_record_id, crash_date, latitude, longitude,
    (cell // 65536)::integer - 32768 as q,
    (cell % 65536)::integer - 32768 as r,
    nullif(concat_ws(' ', street_no, street_direction, street_name), '') as street,
    first_crash_type, injury, injury_severe, injuries_total, injuries_fatal, most_severe_injury,
    risk, risky
from newest
-- By row id: that finds the few rows before it reads their columns.
join (
    from crashes where rowid in (select rowid from crashes where crash_key in (select crash_key from newest))
) using (crash_key)
order by crash_date desc nulls last, crash_key desc
