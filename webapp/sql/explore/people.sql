-- People in the crashes by what they were, and how badly they were hurt.
select
    if(period = 0, 'chosen', 'compared') as period, person_type, injury_classification,
    people, people / days as per_day
from (
    select
        period,
        word_of('person_type', person_type) as person_type,
        word_of('injury_classification', injury_classification) as injury_classification,
        people
    from (select period, person_type, injury_classification, count(*) as people from matching group by all)
)
join (select period, count(*) as days from days group by all) using (period)
order by period, sum(people) over (partition by period, person_type) desc, person_type, people desc, injury_classification
