-- The last measurement of these versions, what moved farthest first.
select model_version, target, feature, psi, band, "rows", data_from, data_through, measured_at
from model_drift
where model_version in (select unnest(string_split($versions, ' ')))
qualify data_through = max(data_through) over (partition by model_version)
order by target, model_version, psi desc, feature
