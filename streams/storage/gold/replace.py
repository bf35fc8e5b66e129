"""Putting a whole month in the place of all that Gold holds under it, inside the caller's transaction."""

# ruff: noqa: S608 -- the names put into SQL here are those of our own tables

from typing import Final

import duckdb
import polars as pl

from streams.domain.schemas import silver_schema
from streams.records import UNDATED
from streams.storage.gold.tables import SOURCES
from streams.storage.gold.upsert import Change, upsert

_MONTH: Final = f"coalesce(strftime(crash_date, '%Y-%m'), '{UNDATED}')"


def months(cursor: duckdb.DuckDBPyConnection) -> set[str]:
    """The months that Gold holds rows of, or says that it holds."""
    held = " union ".join(f"select {_MONTH} as month from {table.dataset}" for table in SOURCES)
    return {month for (month,) in cursor.execute(f"{held} union select month from applied").fetchall()}


def replace(cursor: duckdb.DuckDBPyConnection, change: Change) -> tuple[int, int]:
    """Rows of the month that were lacking or wrong and are put in, and that were wrong or too many and taken out."""
    ids = pl.Series("crash_record_id", [], pl.String())
    for table in SOURCES:
        name = table.dataset
        cursor.execute(
            f"create or replace temporary table old_{name} as from {name} where {_MONTH} = $1", [change.month]
        )
        cursor.execute(f"delete from {name} where {_MONTH} = $1", [change.month])
        ids = pl.concat([ids, cursor.execute(f"select crash_record_id from old_{name}").pl()["crash_record_id"]])
    # Crashes that lose a row and are of another month, or of none, are engineered again for being spoken of.
    known = change.silver["crash_record_id"].str.strip_chars()
    bare = ids.drop_nulls().unique().to_frame().filter(~pl.col("crash_record_id").is_in(known.implode()))
    frame = pl.concat([change.silver, bare.select(_bare())])
    if not frame.is_empty():
        upsert(cursor, [Change(change.month, change.version, frame)])
    put_in = taken_out = 0
    for table in SOURCES:
        new, old = f"(from {table.dataset} where {_MONTH} = $1)", f"old_{table.dataset}"
        put_in += _count(cursor, f"from {new} except all from {old}", change.month)
        taken_out += _count(cursor, f"from {old} except all from {new}", change.month)
        cursor.execute(f"drop table {old}")
    return put_in, taken_out


def _bare() -> list[pl.Expr]:
    schema = silver_schema()
    return [
        pl.col("crash_record_id"),
        pl.lit(None, schema["crash"]).alias("crash"),
        *(pl.lit([], schema[name]).alias(name) for name in ("vehicles", "people")),
    ]


def _count(cursor: duckdb.DuckDBPyConnection, rows: str, month: str) -> int:
    ((count,),) = cursor.execute(f"select count(*) from ({rows})", [month]).fetchall()
    return int(count)
