"""From a page's body to rows as published, and to the crash months they fall in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import ValidationError

from streams.domain.clean import time
from streams.domain.schemas import EXTRA, Table, published
from streams.errors import MalformedPage
from streams.records import UNDATED, Cursor

MONTH = "month"

# The portal derives these from `location`, and drops them from ordered answers: not columns of the tables.
COMPUTED = ":@computed_region_"


@dataclass(frozen=True)
class Page:
    """Rows of one page: `rows` has the schema `published(table)` and a column `month`.

    `size` counts the rows as received; `keyless` of them name no primary key or no crash and cannot be merged.
    `cursor` is where the next page begins: just after the last row.
    """

    rows: pl.DataFrame
    size: int
    keyless: int
    cursor: Cursor | None

    @property
    def months(self) -> tuple[str, ...]:
        """The crash months of its rows, in order."""
        return tuple(sorted(self.rows[MONTH].unique()))


def read_page(body: bytes, table: Table) -> Page:
    """Parse a JSON array of SODA rows with the table's explicit schema.

    Every value stays the text it was published as. Columns that `table` does not know are kept together in
    EXTRA. Raises `MalformedPage` when `body` is not an array of objects.
    """
    try:
        values = json.loads(body)
    except ValueError as error:
        raise MalformedPage(f"the page of {table.dataset} is no JSON: {error}") from None
    if not isinstance(values, list) or not all(isinstance(row, dict) for row in values):
        raise MalformedPage(f"the page of {table.dataset} is no array of rows: {str(values)[:200]}")
    return page_of(values, table)


def page_of(values: Sequence[dict[str, Any]], table: Table) -> Page:
    """A page from SODA rows; see `read_page`."""
    keys = (table.key, "crash_record_id")
    rows = [row for row in values if all(row.get(key) for key in keys)]
    return Page(_frame(rows, table), len(values), len(values) - len(rows), _cursor(values, table))


def _cursor(values: Sequence[dict[str, Any]], table: Table) -> Cursor | None:
    if not values:
        return None
    try:
        return Cursor(updated_at=values[-1][":updated_at"], row_id=values[-1][":id"])
    except (KeyError, ValidationError):
        raise MalformedPage(f"the page of {table.dataset} came without :updated_at and :id") from None


def _frame(rows: list[dict[str, object]], table: Table) -> pl.DataFrame:
    schema = published(table)
    unknown = {name for name in set().union(*rows) - set(schema) if not name.startswith(COMPUTED)}
    if unknown:
        rows = [_with_extra(row, unknown) for row in rows]
    try:
        frame = pl.from_dicts(rows, schema=schema) if rows else pl.DataFrame(schema=schema)
    except (pl.exceptions.PolarsError, TypeError):
        frame = pl.from_dicts([_plain(row) for row in rows], schema=schema)
    # As Gold reads it: a date that is none there has no month here.
    month = time(pl.col("crash_date").str.strip_chars()).dt.strftime("%Y-%m")
    return frame.with_columns(month.fill_null(UNDATED).alias(MONTH))


def _with_extra(row: dict[str, object], unknown: set[str]) -> dict[str, object]:
    extra = {name: row[name] for name in sorted(unknown & row.keys())}
    return row | {EXTRA: json.dumps(extra, ensure_ascii=False)} if extra else row


def _plain(row: dict[str, object]) -> dict[str, object]:
    """The row as the schema wants it, where one of its page is not: text everywhere, coordinates as numbers."""
    return {name: _point(value) if name == "location" else _as_text(value) for name, value in row.items()}


def _as_text(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _point(value: object) -> object:
    match value:
        case {"type": kind, "coordinates": [int() | float() as longitude, int() | float() as latitude]}:
            return {"type": kind, "coordinates": [float(longitude), float(latitude)]}
        case _:
            return None
