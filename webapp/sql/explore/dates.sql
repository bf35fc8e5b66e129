-- A period's days of which Gold holds any crash.
select distinct {number}::utinyint as period, "day"
from crash_facets
where {filters}
