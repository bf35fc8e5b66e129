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
        count(outcome) as crashes,
        count(*) filter (outcome = 'no_injury') as no_injury,
        count(*) filter (outcome = 'injury') as injury,
        count(*) filter (outcome = 'severe') as severe,
        count(*) filter (outcome = 'unknown') as unknown
    from days
    left join (select period, crash_date::date as "day", outcome from matching) using (period, "day")
    group by all
)
join (select period, count(distinct isodow("day")) as weekdays from days group by all) using (period)
window week as (partition by period order by "day" range between interval 6 days preceding and current row)
order by period, "day"
