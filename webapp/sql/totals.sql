-- What is in Gold. A crash whose injuries are not known yet counts as a crash, and in no other sum.
SELECT
    count(*) AS crashes,
    (SELECT count(*) FROM vehicles) AS vehicles,
    (SELECT count(*) FROM people) AS people,
    coalesce(sum(injuries_total), 0)::BIGINT AS injured,
    coalesce(sum(injuries_fatal), 0)::BIGINT AS killed,
    min(crash_date) AS data_from,
    max(crash_date) AS data_through
FROM crashes
