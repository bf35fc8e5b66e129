"""From rows that somebody sends to Gold's typed frames: cleaned as Gold's are, with what was found on the way.

A row is a crash with the portal's columns, as published (all text) or typed (numbers, true and false), and may carry
its `vehicles` and `people` as lists of such rows.
"""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import polars as pl

from models.features import REFUSED
from streams.domain.clean import FLAGS, GoldFrames, clean
from streams.domain.engineer import ENGINEERED
from streams.domain.schemas import CRASHES, EXTRA, PEOPLE, VEHICLES, Kind, Table, published
from streams.errors import RequestError
from streams.storage.gold.tables import CRASH_KEY

MOST_ROWS: Final = 10_000
# The largest crash had 21 units.
MOST_CHILDREN: Final = 200

_KEY: Final = CRASHES.key
# A value of another column depends on these.
_ALWAYS: Final = frozenset({"crash_date", "latitude", "longitude"})

# What exports of Gold and other programs write, beside what is published.
_SAID: Final = {"TRUE": "Y", "FALSE": "N", "1": "Y", "0": "N"}
_TIME: Final = r"^\s*(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(\.\d+)?\s*$"

_WRONG: Final = {
    Kind.FLAG: ("no yes or no", "write Y or N, or true or false"),
    Kind.INTEGER: ("no whole number", "write digits, or leave it out where it is not known"),
    Kind.BIGINT: ("no whole number", "write digits, or leave it out where it is not known"),
    Kind.REAL: ("no number", "write a decimal number, or leave it out where it is not known"),
    Kind.TIME: ("no time", "write it as 2024-01-05T08:30:00, on Chicago's clock and without a zone"),
}


@dataclass(frozen=True)
class Oddity:
    """A value that its column cannot have, such as 99 lanes. It counts as not known, as it does in Gold."""

    field: str
    value: str


@dataclass(frozen=True)
class Inputs:
    """Rows as Gold would hold them, but for its engineered columns, and what was found on the way.

    Row n is the crash `row_id(n)` of ``frames``, so that ids may be missing or come twice; ``ids`` are those given.
    ``given``, ``unknown`` and ``ignored`` (with the reason) name columns as rows do: `weather_condition`, `people.age`.
    """

    frames: GoldFrames
    ids: tuple[str | None, ...]
    given: frozenset[str]
    unknown: tuple[str, ...]
    ignored: Mapping[str, str]
    impossible: tuple[Oddity, ...]


@dataclass(frozen=True)
class _Row:
    """A row of one table: of which crash, where it stands in the request, and what it says."""

    crash: int
    path: str
    values: Mapping[str, object]


def row_id(number: int) -> str:
    """The crash id under which row ``number`` goes; such ids are in the order of rows."""
    return f"{number:06d}"


def from_rows(rows: Sequence[object], path: str = "rows") -> Inputs:
    """Inputs of parsed JSON. Errors lead to a value by ``path``: `rows.3.posted_speed_limit`; it is empty for one row.

    Raises `RequestError` naming the first value that is none of its column's type.
    """
    if not rows:
        raise RequestError(f"{path}: there is no row", field=path, hint="send at least one crash")
    if len(rows) > MOST_ROWS:
        raise RequestError(
            f"{path}: {len(rows):,} rows are too many at once",
            field=path,
            hint=f"send at most {MOST_ROWS:,}; crashes of Gold are scored by POST /api/model/predict-from-gold",
        )
    crashes = [
        _Row(number, f"{path}.{number}." if path else "", _object(row, f"{path}.{number}".strip(".")))
        for number, row in enumerate(rows)
    ]
    tables = {CRASHES: crashes, VEHICLES: _children(crashes, VEHICLES), PEOPLE: _children(crashes, PEOPLE)}
    given, unknown, ignored = _columns(tables)
    if not given:
        raise RequestError(
            "no column of a crash is given",
            field=path or None,
            hint="name columns as the portal's API does, such as crash_date, posted_speed_limit, weather_condition",
        )
    dates = [row.values.get("crash_date") for row in crashes]
    texts = {table: _as_published(rows, table, dates) for table, rows in tables.items()}
    frames = {table: _cleaned(texts[table], table) for table in tables}
    oddities = [oddity for table in tables for oddity in _oddities(frames[table], texts[table], tables[table], table)]
    return Inputs(
        GoldFrames(frames[CRASHES], frames[VEHICLES], frames[PEOPLE]),
        tuple(_text(row.values.get(_KEY), row.path + _KEY) for row in crashes),
        frozenset(given),
        tuple(unknown),
        ignored,
        tuple(oddities),
    )


def from_csv(body: bytes) -> Inputs:
    """Inputs of CSV with a header: columns of crashes, no vehicles and people. Raises `RequestError`."""
    try:
        lines = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip() for name in next(lines, [])]
        rows = [line for line in lines if line]
    except UnicodeDecodeError as error:
        raise RequestError(f"the CSV is not UTF-8: byte {error.start}", hint="save it as UTF-8") from None
    except csv.Error as error:
        raise RequestError(f"the CSV cannot be read: {error}", hint="quote fields as RFC 4180 says") from None
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise RequestError(f"the CSV has the column {twice!r} twice", field=twice, hint="leave one of them out")
    for number, line in enumerate(rows):
        if len(line) != len(header):
            raise RequestError(
                f"rows.{number}: {len(line)} fields, where the header has {len(header)}",
                field=f"rows.{number}",
                hint="separate fields by commas, and quote those that contain one",
            )
    return from_rows([dict(zip(header, line, strict=True)) for line in rows])


def _object(value: object, path: str) -> Mapping[str, object]:
    if isinstance(value, dict):
        return value
    at = f"{path}: " if path else ""
    raise RequestError(f"{at}a row is an object of columns", field=path or None, hint='such as {"crash_date": "…"}')


def _children(crashes: Sequence[_Row], table: Table) -> list[_Row]:
    found = []
    for crash in crashes:
        rows, path = crash.values.get(table.dataset), crash.path + table.dataset
        if rows is None:
            continue
        if not isinstance(rows, list) or len(rows) > MOST_CHILDREN:
            hint = f"give {table.dataset} as a list of at most {MOST_CHILDREN} objects, or leave it out"
            raise RequestError(f"{path}: no list of {table.dataset} of a crash", field=path, hint=hint)
        found += [_Row(crash.crash, f"{path}.{n}.", _object(row, f"{path}.{n}")) for n, row in enumerate(rows)]
    return found


def _columns(tables: Mapping[Table, Sequence[_Row]]) -> tuple[set[str], list[str], dict[str, str]]:
    """Columns that count, columns nobody knows, and columns that are left aside with the reason."""
    given: set[str] = set()
    unknown: list[str] = []
    ignored: dict[str, str] = {}
    for table, rows in tables.items():
        for name in dict.fromkeys(name for row in rows for name in row.values):
            shown = name if table is CRASHES else f"{table.dataset}.{name}"
            if name in REFUSED:
                ignored[shown] = REFUSED[name]
            elif table is CRASHES and name in ENGINEERED:
                ignored[shown] = "is worked out from the other columns"
            elif name in (FLAGS, EXTRA, CRASH_KEY) or name.startswith(":"):
                ignored[shown] = "is bookkeeping"
            elif name in table.names:
                given.add(shown)
            elif not (table is CRASHES and name in (VEHICLES.dataset, PEOPLE.dataset)):
                unknown.append(shown)
    return given, unknown, ignored


def _as_published(rows: Sequence[_Row], table: Table, dates: Sequence[object]) -> pl.DataFrame:
    """The rows as published, as far as columns are given, under keys of our own; outcomes and `location` left aside."""
    present = {name for row in rows for name in row.values if name not in REFUSED}
    columns: dict[str, list[str | None]] = {}
    rewritten = []
    for column in table.columns:
        name = column.name
        if name == table.key and table is not CRASHES:
            columns[name] = [str(number) for number in range(len(rows))]
        elif name == _KEY:
            columns[name] = [row_id(row.crash) for row in rows]
        elif name == "crash_date" and table is not CRASHES:
            columns[name] = [_text(dates[row.crash], f"rows.{row.crash}.crash_date") for row in rows]
        elif name in _ALWAYS or (name in present and column.kind is not Kind.POINT):
            columns[name] = [_text(row.values.get(name), row.path + name) for row in rows]
        else:
            continue
        if column.kind is Kind.FLAG:
            rewritten.append(pl.col(name).str.strip_chars().str.to_uppercase().replace(_SAID))
        elif column.kind is Kind.TIME:
            rewritten.append(_time(pl.col(name)))
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String())).with_columns(rewritten)


def _cleaned(texts: pl.DataFrame, table: Table) -> pl.DataFrame:
    """All columns of Gold. Only those that are there are worked on: a single row costs as much as it says."""
    empty = _empty(table)
    if not texts.height:
        return empty
    there = replace(table, columns=tuple(column for column in table.columns if column.name in texts.columns))
    return pl.concat([empty, clean(texts, there)], how="diagonal")


@cache
def _empty(table: Table) -> pl.DataFrame:
    return clean(pl.DataFrame(schema=published(table)), table)


def _time(text: pl.Expr) -> pl.Expr:
    """A time in the notation of the portal; seconds may be missing, or be finer."""
    day, minute, second = (text.str.extract(_TIME, group) for group in (1, 2, 3))
    return pl.when(day.is_null()).then(text).otherwise(pl.concat_str(day, pl.lit("T"), minute, second.fill_null(":00")))


def _text(value: object, path: str) -> str | None:
    match value:
        case None | str():
            return value
        case bool():
            return "Y" if value else "N"
        case int():
            return str(value)
        case float():
            return None if math.isnan(value) else repr(value)
        case _:
            raise RequestError(f"{path}: no text, number, true or false", field=path, hint="give a single value")


def _oddities(cleaned: pl.DataFrame, texts: pl.DataFrame, rows: Sequence[_Row], table: Table) -> list[Oddity]:
    """Impossible values in the order of rows. Raises `RequestError` at the first that cannot be read."""
    kinds = {column.name: column.kind for column in table.columns}
    flagged = (cleaned[FLAGS].list.len() > 0).arg_true()
    found = []
    for number in flagged:
        for flag in cleaned[FLAGS][number]:
            name, problem = flag.split(":")
            field, value = rows[number].path + name, texts[name][number]
            if problem == "unparsable":
                what, hint = _WRONG[kinds[name]]
                raise RequestError(f"{field}: {value!r} is {what}", field=field, hint=hint)
            found.append(Oddity(field, value))
    return found
