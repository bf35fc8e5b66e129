-- When a crash was, if there is one of this id.
select crash_date from crashes where crash_key = crash_key_of($id)
