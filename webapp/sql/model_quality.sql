-- Of these versions, the newest month first.
select * exclude (basis)
from model_quality
where model_version in (select unnest(string_split($versions, ' ')))
order by target, model_version, month desc
