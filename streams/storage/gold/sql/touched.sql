-- Crashes that the batch speaks of, and those that lose a vehicle or a person to one of them.
create or replace temporary table touched_crashes as
with losing as materialized (
    select old.crash_key from vehicles old join new_vehicles new using (crash_unit_id)
        where old.crash_key <> new.crash_key
    union select old.crash_key from people old join new_people new using (person_id)
        where old.crash_key <> new.crash_key
)

select crash_record_id, crash_key from changed
union select crash_record_id, crash_key from new_crashes
union select crash_record_id, crash_key from new_vehicles
union select crash_record_id, crash_key from new_people
union select crash_record_id, crash_key from crashes semi join losing using (crash_key);
