-- Crashes by {keys}, and which share of those that tell was rated, with Wilson's interval of 95 %.
select
    if(period = 0, 'chosen', 'compared') as period, {keys}
    crashes, crashes / days as per_day, no_injury, injury, severe, unknown,
    hits, known,
    hits / known as rate,
    greatest(0, middle - reach) as low,
    least(1, middle + reach) as high
from (
    select
        *,
        1.959963984540054 as z,
        (hits + z * z / 2) / (known + z * z) as middle,
        z * sqrt(hits * (known - hits) / nullif(known, 0) + z * z / 4) / (known + z * z) as reach
    from (
        -- By small numbers first: that is a fraction of the time of counting by words, or under conditions.
        select
            period,
            {days_by} as days_by,
            {named_keys}
            sum(n)::bigint as crashes,
            sum(if(outcome in (3, 4), n, 0))::bigint as no_injury,
            sum(if(outcome in (6, 7), n, 0))::bigint as injury,
            sum(if(outcome in (2, 5, 8), n, 0))::bigint as severe,
            sum(if(outcome in (0, 1), n, 0))::bigint as unknown,
            sum(if({hits}, n, 0))::bigint as hits,
            sum(if({known}, n, 0))::bigint as known
        from (select period, {by} outcome, count(*) as n from matching group by all)
        group by all
    )
)
join (
    select period, {days_by} as days_by, count(*) as days
    from days
    group by all
) using (period, days_by)
order by period, {order}
