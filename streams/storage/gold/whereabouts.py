"""In which other month Gold has a row that a month now speaks of."""

# ruff: noqa: S608 -- the names put into SQL here are those of our own schema

from collections.abc import Mapping
from typing import Final

import duckdb
import polars as pl

from streams.domain.moves import keys
from streams.domain.schemas import TABLES
from streams.records import UNDATED, Dataset
from streams.storage.gold.tables import CRASH_KEY

_SAME: Final[Mapping[Dataset, str]] = {
    "crashes": f"old.{CRASH_KEY} = crash_key_of(trim(new.key))",
    "vehicles": "old.crash_unit_id = try_cast(trim(new.key) as bigint)",
    "people": "old.person_id = trim(new.key)",
}


def elsewhere(cursor: duckdb.DuckDBPyConnection, months: Mapping[str, pl.DataFrame]) -> set[str]:
    """The months, not those the rows are spoken of under, in which Gold has rows of the same keys."""
    found: set[str] = set()
    for dataset, table in TABLES.items():
        cursor.register("spoken_of", keys(months, table).to_arrow())
        try:
            rows = cursor.execute(
                f"""
                select distinct coalesce(strftime(old.crash_date, '%Y-%m'), '{UNDATED}') as held
                from {dataset} old join spoken_of new on {_SAME[dataset]}
                where held <> new.month
                """
            ).fetchall()
        finally:
            cursor.unregister("spoken_of")
        found.update(month for (month,) in rows)
    return found
