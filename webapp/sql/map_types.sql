-- What the first collision of crashes was.
select word_of('first_crash_type', code) as type, crashes
from (select first_crash_type as code, count(*) as crashes from crash_facets group by all)
where code > 0
order by crashes desc, type
