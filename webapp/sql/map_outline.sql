-- The hexagons in which there ever was a crash.
select (cell // 65536)::integer - 32768 as q, (cell % 65536)::integer - 32768 as r
from (select distinct cell from counted)
where cell is not null
order by q, r
