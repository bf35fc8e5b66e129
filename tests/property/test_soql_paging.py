"""Keyset pages cover a table exactly once, however many rows share an `:updated_at`."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.local.portal.query import compile_query
from streams.local.portal.rows import frame_of
from streams.local.portal.tables import Tables


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    tables = Tables()
    yield tables
    tables.close()


def ask(tables: Tables, request: dict[str, str]) -> list[dict[str, str]]:
    return json.loads(tables.answer(compile_query(request, "people", tables.columns("people"))))


def pages(tables: Tables, size: int) -> Iterator[list[dict[str, str]]]:
    request = {"$select": ":id,:updated_at,person_id", "$order": ":updated_at,:id", "$limit": str(size)}
    while page := ask(tables, request):
        yield page
        at, last = page[-1][":updated_at"], page[-1][":id"]
        request["$where"] = f":updated_at > '{at}' or (:updated_at = '{at}' and :id > '{last}')"


@given(seconds=st.lists(st.integers(0, 3), max_size=60), size=st.integers(1, 25))
def test_keyset_pages_cover_every_row_once(tables: Tables, seconds: list[int], size: int) -> None:
    rows = [
        {"person_id": f"O{number}", ":updated_at": f"2024-01-01T00:00:0{second}.000Z"}
        for number, second in enumerate(seconds)
    ]
    tables.cursor().execute("DELETE FROM people")
    if rows:
        tables.load("people", frame_of(rows, ["person_id", ":updated_at"]))
    found = [row for page in pages(tables, size) for row in page]
    assert sorted(row["person_id"] for row in found) == sorted(row["person_id"] for row in rows)
    assert [row[":updated_at"] for row in found] == sorted(row[":updated_at"] for row in rows)


def test_pages_without_an_order_overlap_and_miss_rows(tables: Tables) -> None:
    tables.cursor().execute("DELETE FROM people")
    tables.load("people", frame_of([{"person_id": f"O{n}"} for n in range(500)], ["person_id"]))
    first = ask(tables, {"$select": "person_id", "$limit": "100"})
    assert first != ask(tables, {"$select": "person_id", "$limit": "100"})
    offsets = range(0, 500, 100)
    paged = [row["person_id"] for at in offsets for row in ask(tables, {"$limit": "100", "$offset": str(at)})]
    assert len(paged) == 500
    assert len(set(paged)) < 500
    # A whole answer is whole in any order, and so is a partial order's each tie.
    assert len({row["person_id"] for row in ask(tables, {})}) == 500
    tied = [ask(tables, {"$order": ":updated_at", "$limit": "100"}) for _ in range(2)]
    assert tied[0] != tied[1]
