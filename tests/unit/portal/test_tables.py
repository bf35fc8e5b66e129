"""Writing to the portal's tables: what changes, what stays, and what survives a restart."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from streams.errors import LocalError, RequestError
from streams.local.portal.datasets import Type
from streams.local.portal.query import compile_query
from streams.local.portal.rows import Row, frame_of
from streams.local.portal.soql import SoqlError
from streams.local.portal.tables import Tables

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)
PEOPLE = [{"person_id": f"O{n}", "age": str(n), "city": "CHICAGO"} for n in range(3)]


@pytest.fixture
def tables() -> Iterator[Tables]:
    tables = Tables()
    tables.load("people", frame_of(PEOPLE, ["person_id", "age", "city"]), at=NOON)
    yield tables
    tables.close()


def person(tables: Tables, key: str) -> Row:
    (row,) = tables.rows("people", "person_id", [key])
    return {name: value for name, value in row.items() if value is not None}


def test_a_whole_publish_shares_one_time_and_every_row_has_its_own_ids(tables: Tables) -> None:
    rows = tables.rows("people", "city", ["CHICAGO"])
    assert {row[":updated_at"] for row in rows} == {row[":created_at"] for row in rows} == {"2024-06-01T12:00:00.000Z"}
    assert len({row[":id"] for row in rows}) == len({row[":version"] for row in rows}) == 3


def test_ids_look_like_socratas_and_stay_unique_in_numbers(tables: Tables) -> None:
    tables.load("vehicles", pl.DataFrame({"crash_unit_id": [str(n) for n in range(100_000)]}))
    shape = r"""SELECT count(*), count(DISTINCT ":id"), count(DISTINCT ":version") FROM vehicles
        WHERE regexp_full_match(":id", 'row-[0-9a-z]{4}[-._~][0-9a-z]{4}[-._~][0-9a-z]{4}')
        AND regexp_full_match(":version", 'rv-[0-9a-z]{4}\.[0-9a-z]{4}-[0-9a-z]{4}')"""
    assert tables.cursor().execute(shape).fetchone() == (100_000, 100_000, 100_000)


def test_system_columns_that_rows_bring_are_kept(tables: Tables) -> None:
    own = {"person_id": "P9", ":id": "row-own", ":updated_at": "2020-01-01T00:00:00.000Z"}
    tables.load("people", frame_of([own], own))
    row = person(tables, "P9")
    assert own.items() <= row.items()
    assert row[":version"].startswith("rv-")


def test_an_upsert_changes_named_columns_and_the_time_and_version(tables: Tables) -> None:
    before = person(tables, "O1")
    tables.upsert("people", [{"person_id": "O1", "age": "40", "city": None}, {"person_id": "P7", "age": "7"}])
    after = person(tables, "O1")
    assert after.pop("age") == "40"
    assert "city" not in after
    assert {name for name in after if after[name] != before[name]} == {":updated_at", ":version"}
    assert after[":updated_at"] > before[":updated_at"]
    assert person(tables, "P7")["age"] == "7"
    assert len(tables.rows("people", "person_id", ["O0", "O1", "O2", "P7"])) == 4


def test_of_two_changes_of_a_row_in_one_upsert_both_count(tables: Tables) -> None:
    tables.upsert("people", [{"person_id": "O1", "age": "40"}, {"person_id": "O1", "sex": "F"}])
    assert {"age": "40", "sex": "F"}.items() <= person(tables, "O1").items()


def test_each_write_is_later_than_the_last(tables: Tables) -> None:
    for _ in range(3):
        before = person(tables, "O1")[":updated_at"]
        tables.upsert("people", [{"person_id": "O1"}], at=NOON - timedelta(days=1))
        assert person(tables, "O1")[":updated_at"] > before
    assert tables.publication("people").updated_at == NOON + timedelta(milliseconds=3)
    assert tables.publication("people").revision == 4


def test_a_deletion_leaves_no_trace_but_a_newer_publication(tables: Tables) -> None:
    before = tables.publication("people")
    tables.delete("people", ["O1", "O-unknown"])
    assert tables.rows("people", "person_id", ["O1"]) == []
    assert len(tables.rows("people", "person_id", ["O0", "O2"])) == 2
    assert tables.publication("people").revision == before.revision + 1


def test_republishing_changes_every_time_and_no_content(tables: Tables) -> None:
    before = {row["person_id"]: row for row in tables.rows("people", "city", ["CHICAGO"])}
    tables.republish("people")
    after = {row["person_id"]: row for row in tables.rows("people", "city", ["CHICAGO"])}
    assert after.keys() == before.keys()
    assert len({row[":version"] for row in after.values()}) == 3
    for key, row in after.items():
        assert {name for name in row if row[name] != before[key][name]} == {":updated_at", ":version"}


def test_an_unannounced_column_is_served_as_text(tables: Tables) -> None:
    row = {"person_id": "P1", "helmet": "Y"}
    tables.load("people", frame_of([row], row))
    assert tables.columns("people")["helmet"] == "text"
    assert person(tables, "P1")["helmet"] == "Y"


@pytest.mark.parametrize("row", [{"age": "1"}, {"person_id": ""}, {"person_id": "O1", "nonsense": "1"}])
def test_a_row_that_cannot_be_is_refused_whole(tables: Tables, row: Row) -> None:
    with pytest.raises(RequestError, match=r"person_id|nonsense"):
        tables.upsert("people", [{"person_id": "O2", "age": "99"}, row])
    assert person(tables, "O2")["age"] == "2"


def test_a_value_that_is_no_text_is_refused_and_nothing_is_written(tables: Tables) -> None:
    with pytest.raises(RequestError, match="age is 5"):
        tables.upsert("people", [{"person_id": "O2", "age": 5}])
    assert person(tables, "O2")["age"] == "2"


def test_all_of_it_survives_a_restart_and_the_file_has_one_owner(tmp_path: Path) -> None:
    path = tmp_path / "portal.duckdb"
    tables = Tables(path)
    row = {"person_id": "P1", "helmet": "Y"}
    tables.load("people", frame_of([row], row), at=NOON)
    tables.note("clock", "noon")
    before, publication = person(tables, "P1"), tables.publication("people")
    tables.close()
    again = Tables(path)
    assert person(again, "P1") == before
    assert again.publication("people") == publication
    assert again.fact("clock") == "noon"
    assert "helmet" in again.columns("people")
    again.upsert("people", [{"person_id": "P2"}])
    assert person(again, "P2")[":id"] != before[":id"]
    again.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "portal.duckdb"
    path.write_text("not a database" * 1000)
    with pytest.raises(LocalError, match=r"portal\.duckdb"):
        Tables(path)


def test_a_new_column_is_empty_until_it_is_filled(tables: Tables) -> None:
    before, publication = person(tables, "O1"), tables.publication("people")
    tables.add_column("people", "helmet", Type.BOOLEAN)
    assert person(tables, "O1") == before
    assert tables.publication("people").revision == publication.revision + 1
    tables.upsert("people", [{"person_id": "O1", "helmet": "Y"}])
    assert answered(tables, "$select=person_id,helmet", "$where=helmet = true") == [{"person_id": "O1", "helmet": True}]


def test_a_dropped_column_is_gone_from_rows_and_questions(tables: Tables) -> None:
    tables.drop_column("people", "age")
    assert "age" not in tables.columns("people")
    assert answered(tables, "$order=person_id", "$limit=1") == [{"person_id": "O0", "city": "CHICAGO"}]
    with pytest.raises(SoqlError, match="No such column: age"):
        answered(tables, "$where=age > 1")
    with pytest.raises(RequestError, match="no column age"):
        tables.upsert("people", [{"person_id": "O0", "age": "1"}])


def test_values_of_a_retyped_column_fit_its_type_those_to_come_too(tables: Tables) -> None:
    tables.upsert("people", [{"person_id": "O1", "city": "12.50"}, {"person_id": "O2", "city": "Y"}])
    tables.retype("people", "city", Type.NUMBER)
    assert answered(tables, "$where=city > 9", "$select=city") == [{"city": "12.50"}]
    assert answered(tables, "$where=city is null", "$select=count(*)") == [{"count": "2"}]
    tables.upsert("people", [{"person_id": "O0", "city": "13"}, {"person_id": "O2", "city": "CHICAGO"}])
    assert answered(tables, "$order=person_id", "$select=city") == [{"city": "13"}, {"city": "12.50"}, {}]
    tables.retype("people", "city", Type.TEXT)
    assert tables.columns("people")["city"] == "text"


def test_drift_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "portal.duckdb"
    tables = Tables(path)
    tables.add_column("people", "helmet", Type.BOOLEAN)
    tables.drop_column("people", "age")
    tables.retype("people", "zipcode", Type.NUMBER)
    columns = tables.columns("people")
    tables.close()
    again = Tables(path)
    assert again.columns("people") == columns
    assert (columns["helmet"], columns["zipcode"], "age" in columns) == ("checkbox", "number", False)
    again.close()


@pytest.mark.parametrize(
    ("drift", "problem"),
    [
        (lambda tables: tables.add_column("people", "age"), "already has a column age"),
        (lambda tables: tables.add_column("people", "where", Type.POINT), "cannot become a point"),
        (lambda tables: tables.drop_column("people", "nonsense"), "no column nonsense"),
        (lambda tables: tables.drop_column("people", "person_id"), "cannot be without person_id"),
        (lambda tables: tables.retype("people", ":id", Type.TEXT), "cannot be without :id"),
    ],
)
def test_drift_that_cannot_be_is_refused(tables: Tables, drift: Callable[[Tables], None], problem: str) -> None:
    before = dict(tables.columns("people"))
    with pytest.raises(RequestError, match=problem):
        drift(tables)
    assert tables.columns("people") == before


def test_the_clock_never_stands_before_what_was_written(tables: Tables) -> None:
    tables.clock = lambda: NOON + timedelta(hours=1)
    assert tables.now() == NOON + timedelta(hours=1)
    tables.upsert("people", [{"person_id": "O1"}])
    assert person(tables, "O1")[":updated_at"] == "2024-06-01T13:00:00.000Z"
    tables.upsert("people", [{"person_id": "O1"}], at=NOON + timedelta(hours=2))
    assert tables.now() == NOON + timedelta(hours=2)


def test_a_file_does_not_keep_what_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.local.portal.tables.WRITES_BETWEEN_CHECKPOINTS", 10)
    for lagging in (False, True):
        tables = Tables(tmp_path / f"{lagging}.duckdb")
        moment = NOON
        if lagging:
            tables.replica()  # made before the clock is the city's
        tables.clock = lambda: moment  # noqa: B023 - of this turn
        for _ in range(60):
            moment += timedelta(minutes=4)
            tables.upsert("people", [{"person_id": f"O{number}"} for number in range(10)])
        sql = "SELECT estimated_size FROM duckdb_tables() WHERE table_name = 'people'"
        (kept,) = tables.cursor().execute(sql).fetchall()[0]
        # A checkpoint lets go of what was deleted before the last one.
        assert 10 <= kept < 250
        tables.close()


def answered(tables: Tables, *clauses: str) -> Any:
    request = dict(clause.split("=", 1) for clause in clauses)
    return json.loads(tables.answer(compile_query(request, "people", tables.columns("people"))))
