-- A period's days of which Gold holds any crash.
select distinct '{period}' as period, crash_date::date as "day"
from crashes
where {filters}
