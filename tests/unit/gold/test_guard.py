"""Defect 12: SQL from outside reads Gold's tables and reaches nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import QueryLimit, QueryRefused
from streams.storage.gold.gold import Gold
from tests.gold_rows import change, crash, person, vehicle

READS = """
select 1
select 1;
-- a comment first
values (1), (2)
from crashes
select * from main.crashes
with a as (select 1 as x) select * from a
with recursive a as (select 1 x union all select x + 1 from a where x < 5) select * from a
select count(*) filter (injury) over (partition by hour_bin) from crashes
select c.crash_record_id, v.make from crashes c join vehicles v using (crash_record_id)
select unnest(quality_flags) from crashes
select * from range(3)
select list_transform([1, 2], lambda x: x + 1)
select 'delete from crashes; drop table crashes' as text
select getenv.x from (select 1 as x) as getenv
pivot crashes on hour_bin in ('night', 'morning') using count(*)
describe crashes
summarize crashes
show tables
explain select * from crashes
explain analyze select count(*) from crashes
select table_name from information_schema.tables
select * from scores
select * from runs
select * from dead_letters
""".strip().splitlines()

# None of these may do or show anything; {secret} is a file that is there.
ATTACKS = """
insert into crashes (crash_record_id) values ('x')
delete from crashes
delete from crashes returning *
with x as (select 1) delete from crashes
update crashes set hour = 1
truncate crashes
merge into crashes using vehicles on false when matched then delete
drop table crashes
alter table crashes add column x integer
comment on table crashes is 'x'
create table x as select 1
create temp table x as select 1
create macro f() as 1
create or replace view crashes as select 1
copy crashes to '{secret}'
copy crashes from '{secret}'
copy (select 1) to '{secret}'
export database '{secret}'
import database '{secret}'
attach '{secret}' as m
attach ':memory:' as m
detach gold
use main
set memory_limit = '100GB'
set enable_external_access = true
reset memory_limit
set variable x = 1
pragma database_list
pragma memory_limit = '100GB'
call duckdb_settings()
call checkpoint()
checkpoint
force checkpoint
vacuum
analyze
begin
commit
rollback
install httpfs
load httpfs
prepare x as delete from crashes
execute x
deallocate x
explain delete from crashes
explain analyze delete from crashes
explain/**/analyze delete from crashes
explain analyze insert into crashes (crash_record_id) values ('x')
select 1; delete from crashes
select 1; select 2
select * from '{secret}'
select * from "{secret}"
select * from 'https://example.com/x.parquet'
select * from read_csv('{secret}')
select * from READ_CSV_AUTO('{secret}')
select * from "read_text"('{secret}')
select * from read_blob('{secret}')
select * from read_json('{secret}')
select * from read_parquet('{secret}')
select * from read_parquet('s3://bucket/x')
select * from parquet_metadata('{secret}')
select * from sniff_csv('{secret}')
select * from glob('/*')
select * from read_duckdb('{secret}')
select (select content from read_text('{secret}'))
with a as (select * from read_text('{secret}')) select * from a
select * from crashes, lateral (from read_text('{secret}'))
select * from crashes where exists (from read_text('{secret}'))
describe select * from read_csv('{secret}')
summarize '{secret}'
select * from query('delete from crashes')
select * from query('select 1')
select * from query_table('{secret}')
select * from json_execute_serialized_sql(json_serialize_sql('select 1'))
select getenv('HOME')
select "getenv"('HOME')
select list_transform(['HOME'], lambda x: getenv(x))
select 1 order by getenv('HOME')
select case when true then getenv('HOME') end
select current_setting('memory_limit')
select * from duckdb_settings()
select * from duckdb_settings
select * from system.main.duckdb_tables
select * from duckdb_secrets()
select * from which_secret('s3://x', 's3')
select * from duckdb_logs()
select * from duckdb_temporary_files()
select * from pg_catalog.pg_settings
select * from pg_settings
select * from enable_logging()
select * from enable_profiling()
select * from checkpoint()
select * from force_checkpoint()
select * from arrow_scan(1, 2, 3)
select * from pandas_scan(1)
select * from test_vector_types(null::integer)
select write_log('x')
select setseed(0.1)
select nextval('x')
select sleep_ms(10)
select * from gold
select * from python_variable
select length(repeat('x', 2000000000))
select list_sum(range(1000000000))
select levenshtein(lpad('', 400000, 'x'), 'y')
select * from nothing
select nothing from crashes
selec 1
select $x
;
-- only a comment
""".strip().splitlines()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gold]:
    gold = Gold.open(tmp_path_factory.mktemp("guard") / "gold.duckdb", memory="500MB")
    gold.load([change("2024-01", 1, [crash("a"), crash("b")], [vehicle(1, "a")], [person("P1", "a")])])
    yield gold
    gold.close()


@pytest.mark.parametrize("sql", READS)
def test_a_single_read_is_answered(filled: Gold, sql: str) -> None:
    filled.query(f"{sql}\nselect 1" if sql.startswith("--") else sql)


def test_what_is_no_single_read_is_refused_and_does_nothing(filled: Gold, tmp_path: Path) -> None:
    python_variable = filled.query("select 1").table
    assert python_variable.num_rows == 1
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,hidden\n")
    before, files = filled.status(), sorted(tmp_path.iterdir())
    for attack in (*ATTACKS, *map(str.upper, ATTACKS)):
        with pytest.raises(QueryRefused) as refused:
            pytest.fail(f"answered: {filled.query(attack.replace('{secret}', str(secret)), seconds=5)}")
        assert refused.value.hint, attack
        assert refused.value.field == "sql", attack
        assert "hidden" not in str(refused.value), attack
    assert secret.read_text() == "a,b\n1,hidden\n"
    assert sorted(tmp_path.iterdir()) == files
    assert (filled.status().rows, filled.status().version) == (before.rows, before.version)


@pytest.mark.parametrize(
    "sql",
    [
        "select " + "(" * 40_000 + "1" + ")" * 40_000,
        "select " + "1+" * 40_000 + "1",
        "select " + "1+" * 900 + "1",
        "select " + "not " * 20_000 + "true",
        "select * from " + "(select * from " * 3_000 + "crashes" + ")" * 3_000,
    ],
    ids=["parentheses", "sum", "short sum", "not", "subqueries"],
)
def test_deep_nesting_is_refused(filled: Gold, sql: str) -> None:
    with pytest.raises(QueryRefused):
        filled.query(sql)


def test_an_error_is_told_in_a_line_with_a_hint(filled: Gold) -> None:
    with pytest.raises(QueryRefused) as refused:
        filled.query("select hour, nothing from crashes")
    assert "nothing" in refused.value.message
    assert "\n" not in refused.value.message
    assert "describe" in (refused.value.hint or "")


def test_parameters_are_values_and_never_sql(filled: Gold) -> None:
    sql = "select crash_record_id from crashes where crash_record_id = $id"
    assert filled.query(sql, parameters={"id": "a"}).table.to_pylist() == [{"crash_record_id": "a"}]
    assert filled.query(sql, parameters={"id": "a' or 'a' = 'a"}).table.num_rows == 0


@pytest.mark.parametrize(("limit", "truncated"), [(1, True), (2, False), (3, False)])
def test_rows_are_limited_and_it_says_so(filled: Gold, limit: int, truncated: bool) -> None:
    answer = filled.query("from crashes", limit=limit)
    assert (answer.table.num_rows, answer.truncated) == (min(limit, 2), truncated)


def test_the_rest_of_a_huge_result_is_never_computed(filled: Gold) -> None:
    answer = filled.query("from range(1000000000000)", limit=20_000, seconds=5)
    assert (answer.table.num_rows, answer.truncated) == (20_000, True)


@pytest.mark.parametrize(
    "sql",
    [
        "select sum(range) from range(1000000000000)",
        "with recursive a as (select 1 x union all select x + 1 from a) select count(*) from a",
        "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range % 7 = 3",
        "from range(1000000000000) where range < 0",
    ],
)
def test_time_is_limited(filled: Gold, sql: str) -> None:
    with pytest.raises(QueryLimit, match="stopped after") as limit:
        filled.query(sql, seconds=0.3)
    assert limit.value.field == "seconds"
    assert filled.query("select count(*) as n from crashes").table.to_pylist() == [{"n": 2}]


@pytest.mark.parametrize(
    "sql",
    [
        "select list(range) from range(1000000000)",
        "with recursive a as (select 'x' s, 0 n union all select s || s, n + 1 from a where n < 40) from a",
    ],
)
def test_memory_is_limited(filled: Gold, sql: str) -> None:
    with pytest.raises(QueryLimit) as limit:
        filled.query(sql, seconds=60)
    assert limit.value.field == "memory"
    assert filled.query("select count(*) as n from crashes").table.to_pylist() == [{"n": 2}]


def test_sums_of_integers_are_integers(filled: Gold) -> None:
    row = filled.query("select sum(veh_count) as units, sum(10::hugeint ** 30) as huge from crashes").table
    assert row["units"].to_pylist() == [1]
    assert str(row.schema.field("units").type) == "int64"
