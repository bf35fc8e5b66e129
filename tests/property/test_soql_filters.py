"""Random filters and orders: the portal finds what an independent reading of them in Python finds."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.local.portal.query import compile_query
from streams.local.portal.rows import frame_of
from streams.local.portal.tables import Tables

Row = dict[str, str | None]
Truth = bool | None
Condition = tuple[str, Callable[[Row], Truth]]

NUMBERS = ["-1", "0", "5", "9", "10", "30", "30.5", "110"]
WORDS = ["", "M", "F", "m", "x'y", "%", "_", "CHICAGO", "CHICAGO HEIGHTS", 'a"b', "é☃"]
DATES = ["2023-12-31T23:59:00.000", "2024-01-01T00:00:00.000", "2024-01-05T10:30:00.000", "2024-02-01T00:00:00.000"]
VALUES: dict[str, list[str]] = {
    "age": NUMBERS,
    "seat_no": NUMBERS,
    "sex": WORDS,
    "city": WORDS,
    "crash_date": DATES,
}
PATTERNS = ["%", "_", "CHI%", "%'%", "%o", "_'_", ""]

TABLE = st.lists(
    st.fixed_dictionaries({name: st.none() | st.sampled_from(values) for name, values in VALUES.items()}),
    max_size=25,
)


def native(column: str, value: str | None) -> Any:
    """A published value as what it means."""
    return float(value) if value is not None and VALUES[column] is NUMBERS else value


def written(column: str, value: str) -> str:
    """A published value as a SoQL constant."""
    return value if VALUES[column] is NUMBERS else "'" + value.replace("'", "''") + "'"


def known(*values: Any) -> bool:
    return all(value is not None for value in values)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@st.composite
def comparisons(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(list(VALUES)))
    operator = draw(st.sampled_from(list(COMPARISONS)))
    compare = COMPARISONS[operator]
    twins = [name for name, values in VALUES.items() if values is VALUES[column] and name != column]
    if twins and draw(st.booleans()):
        other = twins[0]
        return (
            f"{column} {operator} {other}",
            lambda row: (
                compare(native(column, row[column]), native(other, row[other]))
                if known(row[column], row[other])
                else None
            ),
        )
    value = draw(st.sampled_from(VALUES[column]))
    return (
        f"{column}{operator}{written(column, value)}",
        lambda row: compare(native(column, row[column]), native(column, value)) if known(row[column]) else None,
    )


@st.composite
def memberships(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(list(VALUES)))
    values = draw(st.lists(st.sampled_from(VALUES[column]), min_size=1, max_size=4))
    choices = [native(column, value) for value in values]
    text = f"{column} {{}}in ({', '.join(written(column, value) for value in values)})"
    return negatable(draw, text, column, lambda value: value in choices)


@st.composite
def ranges(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(list(VALUES)))
    low, high = (draw(st.sampled_from(VALUES[column])) for _ in range(2))
    text = f"{column} {{}}between {written(column, low)} and {written(column, high)}"
    return negatable(draw, text, column, lambda v: native(column, low) <= v <= native(column, high))


@st.composite
def patterns(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(["sex", "city"]))
    pattern = draw(st.sampled_from(PATTERNS))
    expression = re.compile("".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern), re.DOTALL)
    text = f"{column} {{}}like {written(column, pattern)}"
    return negatable(draw, text, column, lambda value: expression.fullmatch(value) is not None)


def negatable(draw: st.DrawFn, text: str, column: str, holds: Callable[[Any], bool]) -> Condition:
    negated = draw(st.booleans())
    return text.format(
        "not " if negated else ""
    ), lambda row: holds(native(column, row[column])) != negated if known(row[column]) else None


@st.composite
def null_tests(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(list(VALUES)))
    if draw(st.booleans()):
        return f"{column} is null", lambda row: row[column] is None
    return f"{column} is not null", lambda row: row[column] is not None


@st.composite
def functions(draw: st.DrawFn) -> Condition:
    value = draw(st.sampled_from(WORDS))
    text = written("city", value)
    return draw(
        st.sampled_from(
            [
                (f"starts_with(city, {text})", lambda row: on(row["city"], lambda c: c.startswith(value))),
                (f"upper(city) = {text}", lambda row: on(row["city"], lambda c: c.upper() == value)),
                (f"lower(city) < {text}", lambda row: on(row["city"], lambda c: c.lower() < value)),
                (
                    "date_trunc_ym(crash_date) = '2024-01-01'",
                    lambda row: on(row["crash_date"], lambda d: d[:7] == "2024-01"),
                ),
            ]
        )
    )


def on(value: str | None, holds: Callable[[str], bool]) -> Truth:
    return None if value is None else holds(value)


def either(*truths: Truth) -> Truth:
    return True if True in truths else None if None in truths else False


def negation(truth: Truth) -> Truth:
    return None if truth is None else not truth


def combined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        inner.map(lambda c: (f"not ({c[0]})", lambda row: negation(c[1](row)))),
        several.map(lambda cs: (" OR ".join(f"({c[0]})" for c in cs), lambda row: either(*(c[1](row) for c in cs)))),
        several.map(
            lambda cs: (
                " and ".join(f"({c[0]})" for c in cs),
                lambda row: negation(either(*(negation(c[1](row)) for c in cs))),
            )
        ),
    )


CONDITIONS = st.recursive(
    st.one_of(comparisons(), memberships(), ranges(), patterns(), null_tests(), functions()), combined, max_leaves=6
)
ORDERS = st.lists(st.tuples(st.sampled_from(list(VALUES)), st.booleans()), max_size=3, unique_by=lambda key: key[0])


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    tables = Tables()
    yield tables
    tables.close()


def filled(tables: Tables, rows: list[Row]) -> list[Row]:
    tables.cursor().execute("DELETE FROM people")
    named = [{"person_id": f"O{number:02}", **row} for number, row in enumerate(rows)]
    if named:
        tables.load("people", frame_of(named, ["person_id", *VALUES]))
    return named


def ask(tables: Tables, **clauses: str) -> list[dict[str, str]]:
    request = {f"${name}": text for name, text in clauses.items()}
    return json.loads(tables.answer(compile_query(request, "people", tables.columns("people"))))


@given(rows=TABLE, condition=CONDITIONS)
def test_a_filter_finds_what_it_says(tables: Tables, rows: list[Row], condition: Condition) -> None:
    text, holds = condition
    named = filled(tables, rows)
    expected = [{k: v for k, v in row.items() if v is not None} for row in named if holds(row) is True]
    assert ask(tables, where=text, order="person_id") == expected


@given(rows=TABLE, keys=ORDERS, limit=st.integers(0, 30), offset=st.integers(0, 10))
def test_an_order_is_kept(
    tables: Tables, rows: list[Row], keys: list[tuple[str, bool]], limit: int, offset: int
) -> None:
    expected = filled(tables, rows)
    # Sorting is stable, so the last key is sorted by first. Nulls count as the greatest.
    for column, descending in reversed([*keys, ("person_id", False)]):
        numeric = VALUES.get(column) is NUMBERS

        def greatness(row: Row, column: str = column, numeric: bool = numeric) -> tuple[bool, Any]:
            value = row[column]
            return value is None, (0 if numeric else "") if value is None else float(value) if numeric else value

        expected = sorted(expected, key=greatness, reverse=descending)
    order = ", ".join([*(f"{column} {'desc' if down else 'asc'}" for column, down in keys), "person_id"])
    found = ask(tables, order=order, limit=str(limit), offset=str(offset), select="person_id")
    assert [row["person_id"] for row in found] == [row["person_id"] for row in expected[offset:][:limit]]


@given(rows=TABLE)
def test_groups_count_every_row_once(tables: Tables, rows: list[Row]) -> None:
    named = filled(tables, rows)
    expected: dict[str | None, list[float]] = {}
    for row in named:
        expected.setdefault(row["sex"], []).extend([] if row["age"] is None else [float(row["age"])])
    found = ask(tables, select="sex, sum(age) as total, count(age) as n", group="sex")
    assert {row.get("sex"): (int(row["n"]), float(row.get("total", "0"))) for row in found} == {
        sex: (len(ages), sum(ages)) for sex, ages in expected.items()
    }
