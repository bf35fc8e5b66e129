-- Crashes by day, and their mean over seven days; over fewer where fewer weekdays are chosen. Null until there are as many.
select
    period,
    "day",
    crashes,
    if(count(*) over week = weekdays, avg(crashes) over week, null) as mean_7_days,
    no_injury, injury, severe, unknown
from (
    select
        period,
        "day",
        coalesce(crashes, 0) as crashes,
        coalesce(no_injury, 0) as no_injury,
        coalesce(injury, 0) as injury,
        coalesce(severe, 0) as severe,
        coalesce(unknown, 0) as unknown
    from days
    left join (
        select
            period,
            crash_date::date as "day",
            count(*) as crashes,
            count(*) filter (not injury and injury_severe is not true) as no_injury,
            count(*) filter (injury and injury_severe is not true) as injury,
            count(*) filter (injury_severe) as severe,
            count(*) filter (injury is null and injury_severe is not true) as unknown
        from matching
        group by all
    ) using (period, "day")
)
join (select period, count(distinct isodow("day")) as weekdays from days group by all) using (period)
window week as (partition by period order by "day" range between interval 6 days preceding and current row)
order by period, "day"
