"""Rows that moved to another crash month: which month keeps them, and what the others are told.

A month is merged by itself and cannot know that a row of it came to another. Whoever sees both months decides, by the
rule that decides within a month: what was published last wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from streams.domain.merge import flatten, live, merge, winners, with_content
from streams.domain.schemas import CRASHES, GONE, TABLES, Table, published
from streams.records import Dataset

_MONTH = "__month"


@dataclass(frozen=True)
class Departure:
    """`rows` (schema `published(TABLES[dataset])`) are the tombstones of rows that `month` has lost to another."""

    month: str
    dataset: Dataset
    rows: pl.DataFrame


def keys(months: Mapping[str, pl.DataFrame], table: Table) -> pl.DataFrame:
    """Columns `key` and `month`: a row for each row of `table` in these Silver frames."""
    empty = pl.DataFrame(schema={"key": pl.String(), "month": pl.String()})
    rows = pl.col("crash") if table is CRASHES else pl.col(table.dataset).explode(empty_as_null=False, keep_nulls=False)
    frames = [
        silver.select(rows.alias("row"))
        .filter(pl.col("row").is_not_null() & pl.col("row").struct.field(GONE).is_null())
        .select(pl.col("row").struct.field(table.key).alias("key"), pl.lit(month).alias("month"))
        for month, silver in months.items()
    ]
    return pl.concat([empty, *frames])


def settle(
    changed: Mapping[str, pl.DataFrame], others: Mapping[str, pl.DataFrame]
) -> tuple[dict[str, pl.DataFrame], list[Departure]]:
    """Leave each row to the one month that published it last.

    `changed` are the changed crashes of months and `others` whole months, both in Silver's schema. Returns `changed`
    with tombstones in the place of rows that are another month's, and what each losing month is to be told.
    """
    settled = dict(changed)
    departures = []
    for dataset, table in TABLES.items():
        for month, rows in _lost(changed, others, table):
            departures.append(Departure(month, dataset, rows))
            if month in settled:
                # Of its own rows only: what a change says of a crash is taken for all there is of it.
                own = flatten(settled[month], table)[table.key].implode()
                after = merge(settled[month], rows.filter(pl.col(table.key).is_in(own)), table).silver
                settled[month] = settled[month] if after is None else after
    return settled, departures


def _lost(
    changed: Mapping[str, pl.DataFrame], others: Mapping[str, pl.DataFrame], table: Table
) -> list[tuple[str, pl.DataFrame]]:
    """Tombstones by month, of the rows of `table` that another month published later."""
    known = keys(changed, table), keys(others, table)
    if not pl.concat(known).unique()["key"].is_duplicated().any():
        return []  # as nearly always
    rows = pl.concat(
        live(flatten(silver, table)).with_columns(pl.lit(month).alias(_MONTH))
        for frames in (changed, others)
        for month, silver in frames.items()
    )
    contested = rows.filter(pl.col(_MONTH).n_unique().over(table.key) > 1)
    best = winners(with_content(contested, table), table).select(table.key, _MONTH, ":updated_at", ":version")
    lost = (
        contested.select(*dict.fromkeys((table.key, "crash_record_id", "crash_date", ":id", _MONTH)))
        # Of two rows in one month the change's: that is where its tombstone will stand.
        .unique([table.key, _MONTH], keep="first", maintain_order=True)
        .join(best, on=table.key, suffix="_best")
        .filter(pl.col(_MONTH) != pl.col(f"{_MONTH}_best"))
        .with_columns(pl.lit(True).alias(GONE))
        .sort(table.key)
    )
    return [
        (str(month), pl.concat([pl.DataFrame(schema=published(table)), part], how="diagonal").select(*published(table)))
        for (month,), part in lost.partition_by(_MONTH, as_dict=True).items()
    ]
