-- One crash as one row: itself, its vehicles, its people, and what the models say of it.
with crash as (from crashes where crash_key = crash_key_of($id))

select
    crash,
    (select list(vehicles order by unit_no, crash_unit_id) from vehicles where crash_key = crash_key_of($id)) as vehicles,
    (select list(people order by person_id) from people where crash_key = crash_key_of($id)) as people,
    (select list(scores order by target) from scores where crash_key = crash_key_of($id)) as scores
from crash
