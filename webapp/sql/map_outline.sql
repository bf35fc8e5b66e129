-- The hexagons in which there ever was a crash.
select distinct q, r from placed where q is not null order by q, r
