-- The crashes that the map's filters leave, with their hexagons, as `placed`; a null leaves all. The queries map_… go on
-- from here. Ids are 128 characters long: what can be known without them is found out without them.
with found as (
    select rowid as row, *
    from crashes
    where ($first::date is null or crash_date >= $first::date)
        and ($last::date is null or crash_date < $last::date + interval 1 day)
        and ($type::varchar is null or first_crash_type = $type)
        and case $severity
            when 'injury' then injury
            when 'severe' then injury_severe
            when 'fatal' then injuries_fatal >= 1
            else true
        end
        and (
            $who::varchar is null
            or crash_key in (
                select crash_key from people where person_type in (select unnest(string_split($who, ',')))
            )
        )
),

-- In sizes of a hexagon, $size metres from side to side: east of the city's middle, and north of it by the root of 3.
measured as (
    select
        *,
        (longitude - $lng0) * $lng_m / $size as x,
        (latitude - $lat0) * $lat_m / $size * sqrt(3) + 1 as y
    from found
),

-- The hexagon whose middle is nearest: see hexgrid.py, whose tests try it.
placed as (
    select
        *,
        floor((floor(y + x) + y - x) / 3)::integer as r,
        floor((floor(y + x) + 2 * x + 1) / 3)::integer - r as q
    from measured
)
