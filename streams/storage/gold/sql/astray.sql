-- Touched crashes that hang together with rows outside of the batch.
create or replace temporary table astray as
select crash_key from crashes semi join touched_crashes using (crash_key) anti join new_crashes using (crash_key)
union select crash_key from vehicles semi join touched_crashes using (crash_key)
    anti join new_vehicles using (crash_unit_id)
union select crash_key from people semi join touched_crashes using (crash_key) anti join new_people using (person_id);
