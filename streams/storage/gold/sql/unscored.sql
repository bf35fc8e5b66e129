-- Crashes without a score of $version, the newest first: they are what people look at.
select crash_record_id, crash_date
from crashes
anti join (from scores where target = $target and model_version = $version) using (crash_key)
order by crash_date desc nulls last, crash_record_id
limit $limit
