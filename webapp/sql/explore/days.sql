-- Crashes by day, and their mean over seven days; over fewer where fewer weekdays are chosen. Null until there are as many.
select
    if(period = 0, 'chosen', 'compared') as period,
    "day",
    crashes,
    if(count(*) over week = weekdays, avg(crashes) over week, null) as mean_7_days,
    no_injury, injury, severe, unknown
from (
    select
        period,
        "day",
        coalesce(sum(n), 0)::bigint as crashes,
        coalesce(sum(if(outcome in (3, 4), n, 0)), 0)::bigint as no_injury,
        coalesce(sum(if(outcome in (6, 7), n, 0)), 0)::bigint as injury,
        coalesce(sum(if(outcome in (2, 5, 8), n, 0)), 0)::bigint as severe,
        coalesce(sum(if(outcome in (0, 1), n, 0)), 0)::bigint as unknown
    from days
    left join (select period, "day", outcome, count(*) as n from matching group by all) using (period, "day")
    group by all
)
join (select period, count(distinct day_of_week) as weekdays from days group by all) using (period)
window week as (partition by period order by "day" range between interval 6 days preceding and current row)
order by period, "day"
