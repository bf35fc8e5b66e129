"""Writing a batch of changed crashes into the tables, inside the caller's transaction.

A change says all that is known of its crashes in its month: what Gold holds of them under that month and the change
does not, is gone. A row's month is its own `crash_date`'s, so a vehicle dated otherwise than its crash, or a person
who moved to a crash of another month, is left to the change that speaks of it.
"""

# ruff: noqa: S608 -- the names put into SQL here are those of our own schema

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import duckdb
import polars as pl

from streams.domain.clean import gold_frames
from streams.domain.engineer import ENGINEERED, engineer
from streams.domain.merge import bare
from streams.domain.schemas import CRASHES, PEOPLE, TABLES, VEHICLES, Table
from streams.records import UNDATED
from streams.storage.gold import facets, scores
from streams.storage.gold.tables import CRASH_KEY, statement


@dataclass(frozen=True)
class Change:
    """What became of a month: `silver` holds, in Silver's schema, the crashes that changed; all of them if `whole`.

    Those that changed did so since version `base`: whoever holds less than that needs the whole month.
    """

    month: str
    version: int
    silver: pl.DataFrame
    whole: bool = False
    base: int = 0


@dataclass(frozen=True)
class Upserted:
    """Rows written and rows gone; `keyless` vehicles have no readable id, and so no place in Gold.

    `touched` are the ids of the crashes that may be other than before; they have lost their scores.
    """

    crashes: int = 0
    vehicles: int = 0
    people: int = 0
    gone: int = 0
    keyless: int = 0
    touched: pl.Series = field(default_factory=lambda: pl.Series(dtype=pl.String), compare=False)


def upsert(cursor: duckdb.DuckDBPyConnection, changes: Sequence[Change]) -> Upserted:
    """Write `changes`, whatever their order; of two of one month the higher version counts."""
    latest = _latest([_complete(cursor, change) if change.whole else change for change in changes])
    frames = gold_frames(latest.drop("month"))
    written = {CRASHES: frames.crashes, VEHICLES: frames.vehicles, PEOPLE: frames.people}
    keyed = {table: _keyed(rows, table) for table, rows in written.items()}
    staged = {f"new_{table.dataset}": rows for table, rows in keyed.items()} | {"changed": _stated(latest)}
    with _registered(cursor, {f"{name}_frame": frame for name, frame in staged.items()}):
        for name in staged:
            cursor.execute(
                f"create or replace temporary view {name} as "
                f"select *, crash_key_of(crash_record_id) as {CRASH_KEY} from {name}_frame"
            )
        cursor.execute(statement("touched"))
        gone = sum(_replace(cursor, table) for table in keyed)
        astray = _engineer_again(cursor)
        touched = scores.forget(cursor)
        staged_rows = {str(table.dataset): f"new_{table.dataset}" for table in keyed}
        facets.refresh(cursor, "touched_crashes", None if astray else staged_rows)
    return Upserted(
        crashes=keyed[CRASHES].height,
        vehicles=keyed[VEHICLES].height,
        people=keyed[PEOPLE].height,
        gone=gone,
        keyless=sum(written[table].height - rows.height for table, rows in keyed.items()),
        touched=touched,
    )


def _complete(cursor: duckdb.DuckDBPyConnection, change: Change) -> Change:
    """Say of the crashes that Gold holds under the month, and that it has lost, that they are gone."""
    month = f"coalesce(strftime(crash_date, '%Y-%m'), '{UNDATED}')"
    held = " union ".join(
        f"select crash_record_id from {table.dataset} where {month} = $1" for table in TABLES.values()
    )
    ids = cursor.execute(held, [change.month]).pl()["crash_record_id"]
    known = change.silver["crash_record_id"].str.strip_chars()
    lost = bare(ids.filter(~ids.is_in(known.implode())))
    return replace(change, silver=pl.concat([change.silver, lost]))


def _latest(changes: Sequence[Change]) -> pl.DataFrame:
    """Silver's rows and their `month`, one a month and crash."""
    ordered = sorted(changes, key=lambda change: (change.month, change.version))
    rows = [change.silver.with_columns(pl.lit(change.month).alias("month")) for change in ordered]
    return pl.concat(rows).unique(["month", "crash_record_id"], keep="last", maintain_order=True)


def _keyed(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Rows that can stand under a primary key: their ids are readable, and as typed still differ."""
    return rows.drop_nulls(table.key).unique(table.key, keep="last", maintain_order=True)


def _stated(latest: pl.DataFrame) -> pl.DataFrame:
    """Crash ids with the span of crash dates that the batch speaks for; nulls where that is rows without a date."""
    month = pl.when(pl.col("month") != UNDATED).then(pl.col("month") + "-01")
    since = month.str.to_datetime("%Y-%m-%d", time_unit="us", strict=False)
    return latest.select(
        pl.col("crash_record_id").str.strip_chars(), since.alias("since"), since.dt.offset_by("1mo").alias("until")
    )


def _replace(cursor: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Put the new rows in the place of the old; returns how many old ones have no successor."""
    name, key = table.dataset, CRASH_KEY if table is CRASHES else table.key
    cursor.execute(f"delete from {name} using new_{name} new where {name}.{key} = new.{key}")
    gone = cursor.execute(
        f"""
        delete from {name} using changed
        where {name}.{CRASH_KEY} = changed.{CRASH_KEY} and (
            ({name}.crash_date >= changed.since and {name}.crash_date < changed.until)
            or ({name}.crash_date is null and changed.since is null)
        )
        """
    ).fetchall()
    cursor.execute(f"insert into {name} by name from new_{name}")
    return int(gone[0][0])


def _engineer_again(cursor: duckdb.DuckDBPyConnection) -> bool:
    """Engineer anew the touched crashes that hang together with rows outside of the batch; whether there are any."""
    cursor.execute(statement("astray"))
    crashes, vehicles, people = (
        cursor.execute(f"from {table.dataset} semi join astray using ({CRASH_KEY})").pl()
        for table in (CRASHES, VEHICLES, PEOPLE)
    )
    if crashes.is_empty():
        return False
    with _registered(cursor, {"anew": engineer(crashes, vehicles, people)}):
        assigned = ", ".join(f"{name} = anew.{name}" for name in ENGINEERED)
        cursor.execute(f"update crashes set {assigned} from anew where crashes.{CRASH_KEY} = anew.{CRASH_KEY}")
    return True


@contextmanager
def _registered(cursor: duckdb.DuckDBPyConnection, frames: dict[str, pl.DataFrame]) -> Iterator[None]:
    """Show frames to SQL under names, without a copy."""
    for name, frame in frames.items():
        cursor.register(name, frame.to_arrow())
    try:
        yield
    finally:
        for name in frames:
            cursor.unregister(name)
