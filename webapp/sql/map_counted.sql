-- What the map's filters leave, as `counted`, by the hexagon of $size; a null leaves all. `who` has a bit for each kind of
-- person. Hexagons are from 32768 on, both q and r: see streams/storage/gold/facets.py.
with counted as (
    select
        case $size when 250 then cell_250 when 500 then cell_500 when 1000 then cell_1000 else cell_2000 end as cell,
        outcome,
        fatal,
        risk
    from crash_facets
    where ($first::date is null or "day" >= $first::date)
        and ($last::date is null or "day" <= $last::date)
        and (
            $type::varchar is null
            or first_crash_type in (
                select code from facet_words where facet = 'first_crash_type' and word = $type and code > 0
            )
        )
        and case $severity
            when 'injury' then outcome >= 6
            when 'severe' then outcome in (2, 5, 8)
            when 'fatal' then fatal
            else true
        end
        and ($who::utinyint is null or who & $who::utinyint <> 0)
)
