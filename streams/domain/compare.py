"""What differs between two Silver frames, row by row and column by column.

A tombstone counts as no row, and the portal's bookkeeping is no content: what is equal here is equal in Gold.
"""

from dataclasses import dataclass
from typing import Final

import polars as pl

from streams.domain.merge import flatten, live
from streams.domain.schemas import CRASHES, EXTRA, POINT, TABLES, Table, silver_schema
from streams.records import DATASETS, Dataset

_BEFORE: Final = ":before"
_CRASH_ID: Final = "crash_record_id"


@dataclass(frozen=True)
class Difference:
    """How the rows of one table differ.

    `added` (as they are now) and `removed` (as they were) have the columns `key` and `crash_record_id`. `cells` has
    a row for each value that changed: `key`, `column`, and `before` and `after` as text. All are ordered by key.
    `crashes` are the ids of all crashes that differ in this table.
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    cells: pl.DataFrame
    crashes: pl.Series

    @property
    def changed(self) -> int:
        """Rows that are in both frames with another content."""
        return self.cells["key"].n_unique()

    @property
    def columns(self) -> dict[str, int]:
        """How many rows changed in each column, the most changed one first."""
        counted = self.cells.group_by("column").len().sort(["len", "column"], descending=[True, False])
        return dict(counted.iter_rows())

    def sample(self, rows: int) -> pl.DataFrame:
        """All `cells` of the first so many changed rows."""
        keys = self.cells["key"].unique(maintain_order=True).head(rows)
        return self.cells.filter(pl.col("key").is_in(keys.implode()))


def compare(before: pl.DataFrame, after: pl.DataFrame) -> dict[Dataset, Difference]:
    """The differences between two frames of schema `silver_schema()`, by dataset."""
    return {dataset: _difference(before, after, TABLES[dataset]) for dataset in DATASETS}


def changed_crashes(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """The delta from one frame to the other: crashes whose content changed; bare where nothing is left of one."""
    ids = pl.concat([difference.crashes for difference in compare(before, after).values()]).unique().implode()
    emptied = before.filter(pl.col(_CRASH_ID).is_in(ids) & ~pl.col(_CRASH_ID).is_in(after[_CRASH_ID].implode()))
    bare = emptied.select(
        _CRASH_ID,
        pl.lit(None).alias("crash"),
        pl.col("vehicles").list.head(0),
        pl.col("people").list.head(0),
    ).cast(silver_schema())  # type: ignore[arg-type]  # a schema is a mapping of names to types
    return pl.concat([after.filter(pl.col(_CRASH_ID).is_in(ids)), bare]).sort(_CRASH_ID)


def _difference(before: pl.DataFrame, after: pl.DataFrame, table: Table) -> Difference:
    old, new = _contents(before, table), _contents(after, table)
    columns = [name for name in new.columns if name != "key"]
    both = new.join(old, on="key", suffix=_BEFORE)
    changed = [both.filter(pl.col(name).ne_missing(pl.col(name + _BEFORE))) for name in columns]
    cells = pl.concat(
        rows.select(
            "key", pl.lit(name).alias("column"), pl.col(name + _BEFORE).alias("before"), pl.col(name).alias("after")
        )
        for name, rows in zip(columns, changed, strict=True)
    )
    added, removed = new.join(old, on="key", how="anti"), old.join(new, on="key", how="anti")
    # A vehicle or a person that moved to another crash changes the crash it left, too.
    owner = "key" if table is CRASHES else _CRASH_ID
    owners = [rows[owner] for rows in (added, removed, *changed)]
    left = [] if table is CRASHES else [rows[_CRASH_ID + _BEFORE] for rows in changed]
    return Difference(
        added=_named(added, owner),
        removed=_named(removed, owner),
        cells=cells.sort("key", "column"),
        crashes=pl.concat([*owners, *left]).unique().sort().alias(_CRASH_ID),
    )


def _contents(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The live rows of a table: `key`, and what was published in its other columns as text."""
    schema = {column.name: pl.String() for column in table.columns} | {EXTRA: pl.String()}
    rows = live(flatten(frame, table))
    return rows.select(
        pl.col(table.key).alias("key"),
        *(_text(name, rows.schema[name]) for name in schema if name != table.key),
    )


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    if kind == POINT:
        return pl.when(pl.col(name).is_not_null()).then(pl.col(name).struct.json_encode()).alias(name)
    return pl.col(name)


def _named(rows: pl.DataFrame, owner: str) -> pl.DataFrame:
    return rows.select("key", pl.col(owner).alias(_CRASH_ID)).sort("key")
