-- How old people in the crashes were, by how badly they were hurt.
select
    if(period = 0, 'chosen', 'compared') as period,
    word_of('injury_classification', injury_classification) as injury_classification,
    sum(people)::bigint as people,
    any_value(known)::bigint as known,
    sum(age * people) / any_value(known) as mean,
    min(age) filter (as_old >= 0.05 * known) as p5,
    min(age) filter (as_old >= 0.25 * known) as p25,
    min(age) filter (as_old >= 0.5 * known) as p50,
    min(age) filter (as_old >= 0.75 * known) as p75,
    min(age) filter (as_old >= 0.95 * known) as p95
from (
    select
        *,
        sum(people) filter (age is not null) over (partition by period, injury_classification) as known,
        sum(people) over (partition by period, injury_classification order by age nulls last) as as_old
    from (
        select period, injury_classification, age::integer as age, people
        from (select period, injury_classification, age, count(*) as people from matching group by all)
    )
)
group by all
order by period, p50, injury_classification
