-- Every measurement of these versions, the last first.
select model_version, target, feature, psi, band, "rows", data_from, data_through, measured_at
from model_drift
where model_version in (select unnest(string_split($versions, ' ')))
order by target, model_version, data_through desc, psi desc, feature
