"""Merging rows into a month of Silver.

A row wins over another of the same key by (`:updated_at`, `:version`, content); the last two only make the order
total. Hence merging is commutative, associative and idempotent: whatever order pages come in, however often,
the month ends the same.

A tombstone (`GONE`) is a row like any other: it wins over what was published up to its own stamp, and loses to what
is published later. It speaks for its month only. A deletion leaves one, and a crash that moved to another month leaves
one in each month that it was in. One that loses makes the row news again: whoever wrote it had taken the row for gone.
"""

from dataclasses import dataclass

import polars as pl

from streams.domain.schemas import CRASHES, GONE, SOURCE, SYSTEM, Table, published, silver_schema

_CONTENT = "__content"
_CRASH_ID = "crash_record_id"


@dataclass(frozen=True)
class Merge:
    """What a page did to a month.

    `silver` is the month after it; None when the page is no news. `delta` holds the crashes whose content changed, or
    of which a row outlived a tombstone of the page, in Silver's schema: empty when rows were only republished.
    """

    silver: pl.DataFrame | None
    delta: pl.DataFrame


def empty_month() -> pl.DataFrame:
    """A month of Silver without a row."""
    return pl.DataFrame(schema=silver_schema())


def merge(silver: pl.DataFrame, page: pl.DataFrame, table: Table) -> Merge:
    """Merge a page's rows (schema `published(table)`) into a month (schema `silver_schema()`)."""
    # Only crashes of which the page speaks can change: the cost follows the page, not the month.
    spoken_of = silver[_CRASH_ID].is_in(_spoken_of(silver, page, table).implode())
    part = _merge(silver.filter(spoken_of), page, table)
    if part.silver is None:
        return part
    return Merge(pl.concat([silver.filter(~spoken_of), part.silver]).sort(_CRASH_ID), part.delta)


def _spoken_of(silver: pl.DataFrame, page: pl.DataFrame, table: Table) -> pl.Series:
    """Ids of the crashes that a page names, and of those that hold a row which it names."""
    named = page[_CRASH_ID]
    if table is CRASHES:
        return named
    held = silver.select(
        _CRASH_ID, pl.col(table.dataset).list.eval(pl.element().struct.field(table.key)).alias(table.key)
    ).explode(table.key, empty_as_null=False, keep_nulls=False)
    return pl.concat([named, held.filter(pl.col(table.key).is_in(page[table.key].implode()))[_CRASH_ID]])


def _merge(silver: pl.DataFrame, page: pl.DataFrame, table: Table) -> Merge:
    before = with_content(flatten(silver, table), table)
    # In this order: of two rows alike in everything but the page they came from, the one that is there stays.
    after = winners(pl.concat([with_content(page.select(*published(table)), table), before]), table)
    buried = page.filter(pl.col(GONE))[table.key]
    outlived = live(after).filter(pl.col(table.key).is_in(buried.implode()))
    if after.equals(before) and outlived.is_empty():
        return Merge(None, silver.clear())

    both = after.join(before, on=table.key, how="left", suffix="_before")
    changed = both.filter(pl.col(_CONTENT).ne_missing(pl.col(f"{_CONTENT}_before")))
    # A vehicle or a person that moved to another crash changes the crash it left, too.
    left = changed[_CRASH_ID] if table is CRASHES else changed[f"{_CRASH_ID}_before"].drop_nulls()
    changed_ids = pl.concat([changed[_CRASH_ID], left, outlived[_CRASH_ID]]).unique()

    merged = _replace(silver, after.drop(_CONTENT), table)
    emptied = changed_ids.filter(~changed_ids.is_in(merged[_CRASH_ID].implode()))
    delta = pl.concat(
        [
            merged.filter(pl.col(_CRASH_ID).is_in(changed_ids.implode())),
            bare(emptied),
        ]
    ).sort(_CRASH_ID)
    return Merge(merged, delta)


def flatten(silver: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The rows of one table in a month, as published, ordered by their key; tombstones among them."""
    return rows_of(silver, table).sort(table.key)


def rows_of(silver: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The same in any order, which costs no copy."""
    if table is CRASHES:
        return silver.select(pl.col("crash")).drop_nulls().unnest("crash")
    nested = pl.col(table.dataset).explode(empty_as_null=False, keep_nulls=False)
    return silver.select(nested).unnest(table.dataset)


def live(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows without the tombstones."""
    return rows.filter(pl.col(GONE).is_null())


def with_content(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Add the row's content as one text: all that was published, without the portal's bookkeeping."""
    names = [name for name in published(table) if name not in (*SYSTEM, SOURCE)]
    return rows.with_columns(pl.struct(names).struct.json_encode().alias(_CONTENT))


def winners(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """One row a key, ordered by key: the one published last."""
    order = [table.key, ":updated_at", ":version", GONE, _CONTENT, ":id", ":created_at"]
    return rows.sort(order, nulls_last=False, maintain_order=True).unique(table.key, keep="last", maintain_order=True)


def _replace(silver: pl.DataFrame, rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The month with all its rows of one table replaced; a crash id without any row left is gone."""
    columns = list(published(table))
    if table is CRASHES:
        name, nested = "crash", rows.select(_CRASH_ID, pl.struct(columns).alias("crash"))
    else:
        name = table.dataset
        nested = rows.group_by(_CRASH_ID).agg(pl.struct(columns).sort_by(table.key).alias(name))
    month = silver.drop(name).join(nested, on=_CRASH_ID, how="full", coalesce=True)
    return (
        month.select(
            _CRASH_ID,
            "crash",
            pl.col("vehicles").fill_null([]),
            pl.col("people").fill_null([]),
        )
        .filter(pl.col("crash").is_not_null() | (pl.col("vehicles").list.len() + pl.col("people").list.len() > 0))
        .cast(silver_schema())  # type: ignore[arg-type]  # a schema is a mapping of names to types
        .sort(_CRASH_ID)
    )


def bare(crash_ids: pl.Series) -> pl.DataFrame:
    """Rows of Silver that say: nothing is known of these crashes (any more)."""
    bare = pl.DataFrame({_CRASH_ID: crash_ids}).with_columns(
        pl.lit(None).alias("crash"), pl.lit([]).alias("vehicles"), pl.lit([]).alias("people")
    )
    return bare.cast(silver_schema())  # type: ignore[arg-type]  # as above
