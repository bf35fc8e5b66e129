"""What the serving models say of the crashes: read what is to be scored, keep the scores.

A score that is there is of the content that is there: a load takes away those of the crashes it touches, in its own
transaction, and nobody puts one back that was computed before it (`Gold.to_score`). So a crash is to be scored when it
has no score of the version that serves, and nothing else needs to be remembered, whenever a process dies.
"""

# ruff: noqa: S608 -- the names put into SQL here are those of our own tables

from typing import Final

import duckdb
import polars as pl

from streams.domain.clean import GoldFrames
from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES
from streams.storage.gold import facets
from streams.storage.gold.tables import CRASH_KEY, statement

CONTRIBUTIONS: Final = pl.List(pl.Struct({"feature": pl.String, "contribution": pl.Float64}))

# What is kept of a score, but for the time.
SCHEMA: Final = pl.Schema(
    {
        "crash_record_id": pl.String(),
        "target": pl.String(),
        "model_version": pl.String(),
        "probability": pl.Float64(),
        "label": pl.Boolean(),
        "tier": pl.String(),
        "contributions": CONTRIBUTIONS,
    }
)

# By row id: with a semi join alone all columns are read of every row.
_ROWS: Final = (
    f"select * exclude {CRASH_KEY} from {{0}}"
    f" where rowid in (select rowid from {{0}}"
    f" where {CRASH_KEY} in (select crash_key_of(crash_record_id) from wanted))"
)


def forget(cursor: duckdb.DuckDBPyConnection) -> pl.Series:
    """Take away the scores of `touched_crashes`; returns their ids."""
    cursor.execute(f"delete from scores using touched_crashes old where scores.{CRASH_KEY} = old.{CRASH_KEY}")
    return cursor.execute("from touched_crashes").pl()["crash_record_id"]


def unscored(cursor: duckdb.DuckDBPyConnection, target: str, version: str, limit: int) -> pl.DataFrame:
    """`crash_record_id` and `crash_date` of up to `limit` crashes without a score of `version`, the newest first."""
    parameters = {"target": target, "version": version, "limit": limit}
    return cursor.execute(statement("unscored"), parameters).pl()


def rows(cursor: duckdb.DuckDBPyConnection, ids: pl.Series) -> GoldFrames:
    """These crashes with their vehicles and people, those that there are."""
    cursor.register("wanted", pl.DataFrame({"crash_record_id": ids}).to_arrow())
    try:
        crashes, vehicles, people = (
            cursor.execute(_ROWS.format(table.dataset)).pl().sort(table.key) for table in (CRASHES, VEHICLES, PEOPLE)
        )
    finally:
        cursor.unregister("wanted")
    return GoldFrames(crashes, vehicles, people)


def write(cursor: duckdb.DuckDBPyConnection, scores: pl.DataFrame) -> None:
    """Put scores in the place of those of the same crashes and targets."""
    cursor.register("scored", scores.to_arrow())
    try:
        cursor.execute(
            f"""
            create or replace temporary table new_scores as
            select *, crash_key_of(crash_record_id) as {CRASH_KEY} from scored
            """
        )
        cursor.execute(
            f"""
            delete from scores using new_scores new
            where scores.{CRASH_KEY} = new.{CRASH_KEY} and scores.target = new.target
            """
        )
        cursor.execute("insert into scores by name from new_scores")
        facets.rate(cursor, "new_scores")
    finally:
        cursor.unregister("scored")
