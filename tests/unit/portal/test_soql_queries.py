"""Whole requests over a small table: selection, order, limits, groups, and what is refused."""

import json
from collections.abc import Iterator

import pytest

from streams.local.portal.query import compile_query
from streams.local.portal.soql import SoqlError
from streams.local.portal.tables import Tables

PEOPLE = [
    {"person_id": "O1", "crash_date": "2024-01-05T10:00:00.000", "sex": "F", "age": "30", "city": "CHICAGO"},
    {"person_id": "O2", "crash_date": "2024-01-09T10:00:00.000", "sex": "M", "age": "9", "city": 'A "B"\\'},
    {"person_id": "P3", "crash_date": "2024-02-01T00:00:00.000", "sex": "F", "age": "100"},
    {"person_id": "O4", "crash_date": "2023-12-31T23:59:00.000", "sex": "X"},
]
SYSTEM = [":id", ":created_at", ":updated_at", ":version"]


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    tables = Tables()
    tables.upsert("people", PEOPLE)
    yield tables
    tables.close()


def ask(tables: Tables, **clauses: str) -> list[dict]:
    request = {f"${name}": text for name, text in clauses.items()}
    return json.loads(tables.answer(compile_query(request, "people", tables.columns("people"))))


def refused(tables: Tables, **clauses: str) -> str:
    with pytest.raises(SoqlError) as refusal:
        ask(tables, **clauses)
    return refusal.value.code


def test_everything_is_given_as_it_was_with_nulls_omitted(tables: Tables) -> None:
    assert ask(tables, order="person_id") == sorted(PEOPLE, key=lambda row: row["person_id"])


def test_system_columns_come_on_request_alone(tables: Tables) -> None:
    (row,) = ask(tables, select=":*,*", where="person_id='O1'")
    assert list(row)[:4] == SYSTEM
    assert {name: value for name, value in row.items() if name not in SYSTEM} == PEOPLE[0]
    assert list(ask(tables, select=":*", limit="1")[0]) == SYSTEM
    assert list(ask(tables, select=":updated_at, person_id", limit="1")[0]) == [":updated_at", "person_id"]


def test_numbers_sort_as_numbers_and_nulls_as_the_greatest(tables: Tables) -> None:
    assert [r["person_id"] for r in ask(tables, order="age")] == ["O2", "O1", "P3", "O4"]
    assert [r["person_id"] for r in ask(tables, order="age desc")] == ["O4", "P3", "O1", "O2"]
    assert [r["person_id"] for r in ask(tables, order="sex desc, age asc")] == ["O4", "O2", "O1", "P3"]


def test_limit_and_offset_cut_what_is_ordered(tables: Tables) -> None:
    assert [r["person_id"] for r in ask(tables, order="person_id", limit="2", offset="1")] == ["O2", "O4"]
    assert ask(tables, limit="0") == []
    assert ask(tables, offset="4") == []


def test_groups_aggregate_and_name_their_columns(tables: Tables) -> None:
    select = "date_trunc_ym(crash_date) as month, count(*), count(age), sum(age), avg(age), min(age), max(crash_date)"
    assert ask(tables, select=select, group="month", order="month") == [
        {
            "month": "2023-12-01T00:00:00.000",
            "count": "1",
            "count_age": "0",
            "max_crash_date": "2023-12-31T23:59:00.000",
        },
        {
            "month": "2024-01-01T00:00:00.000",
            "count": "2",
            "count_age": "2",
            "sum_age": "39",
            "avg_age": "19.5",
            "min_age": "9",
            "max_crash_date": "2024-01-09T10:00:00.000",
        },
        {
            "month": "2024-02-01T00:00:00.000",
            "count": "1",
            "count_age": "1",
            "sum_age": "100",
            "avg_age": "100",
            "min_age": "100",
            "max_crash_date": "2024-02-01T00:00:00.000",
        },
    ]
    assert ask(tables, select="sex, count(*) as n", group="sex", having="n > 1") == [{"sex": "F", "n": "2"}]
    assert ask(tables, select="count(*)") == [{"count": "4"}]
    assert ask(tables, select="count(*)", where="age > 1000") == [{"count": "0"}]
    assert ask(tables, select="sex", group="sex", order="count(*) desc, sex", limit="2") == [
        {"sex": "F"},
        {"sex": "M"},
    ]
    by_constant = ask(tables, select="starts_with(sex, 'F') as f, count(*)", group="starts_with(sex, 'F')", order="f")
    assert by_constant == [{"f": False, "count": "2"}, {"f": True, "count": "2"}]


@pytest.mark.parametrize(
    ("function", "expected"),
    [("y", "2024-01-01"), ("ym", "2024-02-01"), ("ymd", "2024-02-01")],
)
def test_dates_are_truncated(tables: Tables, function: str, expected: str) -> None:
    (row,) = ask(tables, select=f"date_trunc_{function}(crash_date) as d", where="person_id='P3'")
    assert row == {"d": f"{expected}T00:00:00.000"}


def test_an_alias_stands_for_its_expression_everywhere(tables: Tables) -> None:
    assert ask(tables, select="lower(sex) as Gender", where="gender='x'") == [{"Gender": "x"}]
    assert ask(tables, select="lower(sex) as sex", where="sex='x'", order="sex") == [{"sex": "x"}]


def test_a_column_named_twice_comes_once(tables: Tables) -> None:
    assert ask(tables, select="sex,*,sex", where="person_id='O4'") == [
        {"sex": "X", "person_id": "O4", "crash_date": "2023-12-31T23:59:00.000"}
    ]
    assert refused(tables, select="sex as a, age as a") == "query.soql.duplicate-alias"


def test_a_plain_parameter_is_a_filter(tables: Tables) -> None:
    columns = tables.columns("people")
    query = compile_query({"sex": "F", "age": "30", "$select": "person_id"}, "people", columns)
    assert json.loads(tables.answer(query)) == [{"person_id": "O1"}]


@pytest.mark.parametrize(
    ("clauses", "code"),
    [
        ({"select": "nonsense"}, "query.soql.no-such-column"),
        ({"order": "nonsense"}, "query.soql.no-such-column"),
        ({"group": "nonsense", "select": "count(*)"}, "query.soql.no-such-column"),
        ({"select": "count(*), sex"}, "query.soql.column-not-in-group-bys"),
        ({"select": "*", "group": "sex"}, "query.soql.column-not-in-group-bys"),
        ({"select": "sex", "group": "sex", "order": "age"}, "query.soql.column-not-in-group-bys"),
        ({"where": "count(*) > 1"}, "query.soql.aggregate-in-ungrouped-context"),
        ({"select": "count(*)", "group": "count(*)"}, "query.soql.aggregate-in-ungrouped-context"),
        ({"select": "sum(sex)"}, "query.soql.type-mismatch"),
        ({"limit": "-1"}, "query.compiler.malformed"),
        ({"limit": "1; drop table people"}, "query.compiler.malformed"),
        ({"limit": "9" * 30}, "query.compiler.malformed"),
        ({"offset": "1 union select 1"}, "query.compiler.malformed"),
        ({"order": "age; select 1"}, "query.compiler.malformed"),
        ({"order": "age asc desc"}, "query.compiler.malformed"),
        ({"select": "age from people"}, "query.compiler.malformed"),
        ({"select": "(select 1)"}, "query.compiler.malformed"),
        ({"select": "read_text('/etc/passwd')"}, "query.soql.no-such-function"),
        ({"group": "sex; --", "select": "sex"}, "query.compiler.malformed"),
        ({"query": "select *"}, "invalid_request"),
    ],
)
def test_what_is_refused_says_why(tables: Tables, clauses: dict[str, str], code: str) -> None:
    assert refused(tables, **clauses) == code


@pytest.mark.parametrize("text", ["'; drop table people; --", "' or 1=1 --", '"', "\\", "$1", "{0}", "%s", "\x00", "☃"])
def test_constants_are_only_ever_constants(tables: Tables, text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    assert ask(tables, where=f"city = {literal}") == []
    assert ask(tables, select=f"{literal} as said", limit="1") == [{"said": text}]
    assert ask(tables, select="count(*)") == [{"count": "4"}]


@pytest.mark.parametrize("alias", ['`x", 1 as "y`', "`'); drop table people; --`", "`$1`"])
def test_an_alias_is_only_ever_a_name(tables: Tables, alias: str) -> None:
    assert ask(tables, select=f"sex as {alias}", where="sex='X'") == [{alias.strip("`"): "X"}]


def test_a_list_as_long_as_a_url_allows(tables: Tables) -> None:
    ids = ",".join(f"'O{n}'" for n in range(900))
    assert len(ask(tables, where=f"person_id in ({ids})")) == 3
    many = " or ".join(f"person_id='O{n}'" for n in range(400))
    assert len(ask(tables, where=many)) == 3


def test_depth_is_no_way_to_break_the_portal(tables: Tables) -> None:
    assert len(ask(tables, where="(" * 2000 + "age > 1" + ")" * 2000)) == 3
    assert len(ask(tables, where="not " * 100 + "age > 1")) == 3
    assert refused(tables, where="not " * 2000 + "age > 1") == "query.compiler.malformed"
