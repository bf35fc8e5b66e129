-- Crashes by {keys}, and which share of those that tell was {rated}, with Wilson's interval of 95 %.
select
    period, {keys}
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
        -- By the outcome's own columns: that is a third of the time of comparing its name.
        select
            period,
            {days_by} as days_by,
            {named_keys}
            count(*) as crashes,
            count(*) filter (not injury and injury_severe is not true) as no_injury,
            count(*) filter (injury and injury_severe is not true) as injury,
            count(*) filter (injury_severe) as severe,
            count(*) filter (injury is null and injury_severe is not true) as unknown,
            count(*) filter ({rated}) as hits,
            count({rated}) as known
        from matching
        group by all
    )
)
join (
    select period, {days_by} as days_by, count(*) as days
    from (select period, isodow("day") as day_of_week, isodow("day") >= 6 as is_weekend from days)
    group by all
) using (period, days_by)
order by period, {order}
