-- People in the crashes by what they were, and how badly they were hurt.
select
    period, person_type, injury_classification,
    people, people / days as per_day
from (
    select
        period,
        coalesce(person_type, 'UNKNOWN') as person_type,
        coalesce(injury_classification, 'UNKNOWN') as injury_classification,
        count(*) as people
    from people join (select period, crash_key from matching) using (crash_key)
    group by all
)
join (select period, count(*) as days from days group by all) using (period)
order by period, sum(people) over (partition by period, person_type) desc, person_type, people desc, injury_classification
