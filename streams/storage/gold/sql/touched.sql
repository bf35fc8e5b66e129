-- Crashes that the batch speaks of, and those that lose a vehicle or a person to one of them.
create or replace temporary table touched_crashes as
select crash_record_id from changed
union select crash_record_id from new_crashes
union select crash_record_id from new_vehicles
union select crash_record_id from new_people
union select old.crash_record_id from vehicles old join new_vehicles new using (crash_unit_id)
    where old.crash_record_id <> new.crash_record_id
union select old.crash_record_id from people old join new_people new using (person_id)
    where old.crash_record_id <> new.crash_record_id;
