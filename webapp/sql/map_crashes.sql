-- Crashes, the newest first; with $q and $r those of one hexagon, with $since those after that time.
, newest as (
    select row, q, r from placed
    where ($since::timestamp is null or crash_date > $since::timestamp)
        and ($q::integer is null or (q = $q and r = $r))
    order by crash_date desc nulls last, row desc
    limit $limit offset $offset
),

shown as (
    select newest.*, crashes.* from newest join crashes on crashes.rowid = newest.row
)

select
    crash_record_id, crash_date, latitude, longitude, q, r,
    nullif(concat_ws(' ', street_no, street_direction, street_name), '') as street,
    first_crash_type, injury, injury_severe, injuries_total, injuries_fatal, most_severe_injury,
    probability as risk, label as risky
from shown
left join (
    select crash_key, probability, label from scores
    where target = 'injury' and crash_key in (select crash_key from shown)
) using (crash_key)
order by crash_date desc nulls last, row desc
