-- A period's rows of {facets} that meet the filters.
select {number}::utinyint as period, *
from {facets}
where {filters}
