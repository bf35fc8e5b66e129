-- What the first collision of crashes was.
select first_crash_type as type, count(*) as crashes
from crashes
where first_crash_type is not null
group by all
order by crashes desc, type
