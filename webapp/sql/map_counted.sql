-- The crashes that the map's filters leave, as `counted`, with their hexagon of $size; a null leaves all. The queries
-- map_… go on from here. `who` has a bit for each kind of person; in a cell, q and r are from 32768 on: see docs/gold.md.
with counted as (
    select
        case $size when 250 then cell_250 when 500 then cell_500 when 1000 then cell_1000 else cell_2000 end as cell,
        outcome,
        fatal,
        risk,
        risky,
        crash_date,
        crash_key
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
