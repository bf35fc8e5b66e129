"""Comparing a month of the copy with what the portal holds, key by key."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Self

import polars as pl

from streams.domain.clean import time
from streams.domain.merge import flatten, live
from streams.domain.schemas import GONE, Table
from streams.domain.windows import months
from streams.records import UNDATED, Month

_DATE = pl.col("crash_date").str.strip_chars()


@dataclass(frozen=True)
class Window:
    """Crash dates [start, end) of one month. The window of rows without a readable date is None to None."""

    month: Month
    start: date | None = None
    end: date | None = None

    @classmethod
    def of(cls, start: date, end: date) -> list[Self]:
        """The windows of the months between, and the one of rows without a date, which no span speaks of."""
        return [*(cls(f"{first:%Y-%m}", first, last) for first, last in months(start, end)), cls(UNDATED)]

    def __contains__(self, day: date | None) -> bool:
        if self.start is None or self.end is None:
            return day is None
        return day is not None and self.start <= day < self.end


@dataclass(frozen=True)
class Verdict:
    """What became of rows that the portal no longer holds in their window.

    `gone` counts those that it holds nowhere, `moved` those that it holds in another month; `tombstones` are JSON rows,
    one for each of either. `moved_to` are the new dates of whatever moved out of the window, if only to another day.
    """

    gone: int = 0
    moved: int = 0
    moved_to: frozenset[date] = frozenset()
    tombstones: tuple[dict[str, Any], ...] = ()


def rows_in(silver: pl.DataFrame, table: Table, window: Window) -> pl.DataFrame:
    """Our rows of `table` in a window of the month `silver`, as published, without the tombstones."""
    rows = live(flatten(silver, table))
    if window.start is None or window.end is None:
        return rows
    day = time(_DATE).dt.date()
    return rows.filter((day >= window.start) & (day < window.end))


def compare(ours: pl.DataFrame, theirs: Collection[str], table: Table) -> tuple[set[str], pl.DataFrame]:
    """The keys of the portal's that we lack, and our rows that the portal has no key for."""
    surplus = ours.filter(~pl.col(table.key).is_in(pl.Series(list(theirs), dtype=pl.String).implode()))
    return set(theirs) - set(ours[table.key]), surplus


def judge(surplus: pl.DataFrame, held: Mapping[str, str | None], table: Table, window: Window) -> Verdict:
    """What became of our rows; `held` are the keys that the portal holds at all, with their crash dates there.

    A tombstone has the stamp of the row that it speaks of: whatever is published of that row later wins over it. A row
    that came into the window after all is left alone, and so is one that moved within the month: its tombstone could
    only be in its own way.
    """
    parsed = pl.DataFrame({"crash_date": list(held.values())}, {"crash_date": pl.String}).select(time(_DATE).dt.date())
    days: dict[str, date | None] = dict(zip(held, parsed["crash_date"], strict=True))
    gone = set(surplus[table.key]) - set(days)
    moved = {key: day for key, day in days.items() if day not in window}
    left = {key for key, day in moved.items() if (f"{day:%Y-%m}" if day else UNDATED) != window.month}
    return Verdict(
        gone=len(gone),
        moved=len(left),
        moved_to=frozenset(day for day in moved.values() if day),
        tombstones=tuple(_tombstones(surplus.filter(pl.col(table.key).is_in(list(gone | left))), table)),
    )


def month_of(day: date, start: date, end: date, since: date) -> tuple[date, date] | None:
    """What to ask for of the month of `day`: its part of [start, end), or of the copy's extent from `since` on.

    None where `day` is in neither.
    """
    first = day.replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    if start <= day < end:
        return max(first, start), min(after, end)
    return (max(first, since), after) if day >= since else None


def _tombstones(rows: pl.DataFrame, table: Table) -> list[dict[str, Any]]:
    # Our own date: it is what puts the tombstone into the month of the row.
    names = dict.fromkeys((table.key, "crash_record_id", "crash_date", ":id", ":updated_at", ":version"))
    named = rows.select(*names, pl.lit(value=True).alias(GONE)).sort(table.key)
    return [{name: value for name, value in row.items() if value is not None} for row in named.to_dicts()]
