-- A period's days of which Gold holds any crash.
select {number}::utinyint as period, *
from (select "day", isodow("day") as day_of_week from facet_days)
where {filters}
