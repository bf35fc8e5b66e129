"""What became of one crash in Silver: every version of its month that changed it, and what of it."""

import asyncio
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import polars as pl

from streams.domain.compare import Difference, compare
from streams.domain.merge import empty_month
from streams.domain.schemas import silver_schema
from streams.errors import ObjectMissing
from streams.records import Dataset
from streams.storage.objects import S3Objects
from streams.storage.silver import BUCKET, Head, Silver
from webapp.times import Time

# A delta of a backfill is a whole month, some 10 MB.
_AT_ONCE: Final = 4


@dataclass(frozen=True)
class Change:
    """A row of a crash that came, went or changed. `cells` are column, before and after, as text as published."""

    dataset: Dataset
    key: str
    kind: Literal["added", "removed", "changed"]
    cells: list[tuple[str, str | None, str | None]]


@dataclass(frozen=True)
class Amendment:
    """A version of the month that changed the crash; `page` is the page that brought it."""

    version: int
    written_at: Time
    page: str
    changes: list[Change]


@dataclass(frozen=True)
class History:
    """The `amendments`, the newest first, among the newest `versions` of the month that changed anything.

    `complete` says that these reach back to the month's first row; if not, earlier ones have expired or were not asked
    for.
    """

    versions: int
    complete: bool
    amendments: list[Amendment]


@dataclass(frozen=True)
class _Step:
    head: Head
    written_at: Time
    page: str


async def history(objects: S3Objects, month: str, crash_id: str, versions: int) -> History:
    """What the newest `versions` of a month that changed anything did to a crash. Raises `StoreUnavailable`."""
    steps, base = await _steps(objects, await Silver(objects).head(month), versions)
    turn = asyncio.Semaphore(_AT_ONCE)

    async def state(key: str) -> pl.DataFrame | None:
        """The crash as an object of Silver holds it; None where the object has expired."""
        async with turn:
            try:
                body, _ = await objects.get(BUCKET, key)
            except ObjectMissing:
                return None
            return await asyncio.to_thread(_of_crash, body, crash_id)

    found = await asyncio.gather(*(state(step.head.delta_key) for step in steps))
    touched = [(step, after) for step, after in zip(steps, found, strict=True) if after is not None and after.height]
    before = empty_month() if base == 0 else await state(Head(month, base).key) if touched else None
    states = [before, *(after for _, after in touched)]
    amendments = await asyncio.to_thread(
        lambda: [
            Amendment(step.head.version, step.written_at, step.page, [] if old is None else list(_changes(old, new)))
            for (step, new), (old, _) in zip(touched, pairwise(states), strict=True)
        ]
    )
    return History(len(steps), base == 0, amendments[::-1])


async def _steps(objects: S3Objects, newest: Head, most: int) -> tuple[list[_Step], int]:
    """The newest versions at which content changed, oldest first, and the one before them: 0 where there is none.

    Each names the one before it; a version that has expired ends the chain.
    """
    steps: list[_Step] = []
    number = newest.content
    while number and len(steps) < most:
        try:
            info = await objects.head(BUCKET, Head(newest.month, number).key)
        except ObjectMissing:
            break
        told = info.metadata
        head = Head(newest.month, number, int(told["content"]), int(told["base"]), told["delta_key"])
        steps.append(_Step(head, info.modified, told.get("page", "")))
        number = head.base
    return steps[::-1], number


def _of_crash(parquet: bytes, crash_id: str) -> pl.DataFrame:
    rows = pl.scan_parquet(io.BytesIO(parquet), schema=silver_schema())
    return rows.filter(pl.col("crash_record_id").str.strip_chars() == crash_id).collect()


def _changes(before: pl.DataFrame, after: pl.DataFrame) -> Iterator[Change]:
    for dataset, found in compare(before, after).items():
        yield from _changes_of(dataset, found)


def _changes_of(dataset: Dataset, found: Difference) -> Iterator[Change]:
    for key in found.added["key"]:
        yield Change(dataset, key, "added", [])
    for key in found.removed["key"]:
        yield Change(dataset, key, "removed", [])
    for (key,), cells in found.cells.group_by("key", maintain_order=True):
        yield Change(dataset, str(key), "changed", list(cells.select("column", "before", "after").iter_rows()))
