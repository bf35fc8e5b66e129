"""What the worker remembers between events: the values of its Faust tables."""

from datetime import UTC, datetime, timedelta
from typing import Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict

from streams.domain.merge import live, rows_of
from streams.domain.schemas import GONE, TABLES
from streams.records import DATASETS, Cursor
from streams.storage.silver import Head

# Pages remembered by month, so that one delivered again costs no read. More would only cost: merging is idempotent.
PAGES_REMEMBERED = 64


# How long after its `:updated_at` a row may become visible: a publish is not one instant, and replicas lag.
OVERLAP = timedelta(minutes=5)


class Watermark(BaseModel):
    """How far a dataset is followed: `watermarks[dataset]`.

    All rows up to `settled` have been read and announced, and none can appear there any more; the next poll goes on
    just after it. `etag` is that of the answer to this very question, where one page was all of it. `run_id` is the
    poll that is under way, since `moved_at`. A lost or stale table costs time, never rows: what is read again changes
    nothing.
    """

    model_config = ConfigDict(frozen=True)

    settled: Cursor | None = None
    etag: str | None = None
    run_id: str | None = None
    moved_at: datetime | None = None

    def after(self, last: Cursor | None, at: datetime | None) -> Self:
        """The watermark after rows up to `last` were read at the portal's time `at`; it never goes back."""
        if last is None:
            return self
        read_at = at or datetime.fromisoformat(last.updated_at)
        horizon = _from(read_at - OVERLAP)
        settled = last if last.updated_at < horizon.updated_at else horizon
        before = self.settled
        if before and (settled.updated_at, settled.row_id) <= (before.updated_at, before.row_id):
            return self
        return self.model_copy(update={"settled": settled, "etag": None})

    @classmethod
    def at(cls, time: datetime) -> Self:
        """The watermark just before rows published at `time`."""
        return cls(settled=_from(time))

    def to_table(self) -> dict[str, Any]:
        """As kept in the table: plain JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_table(cls, value: dict[str, Any] | None) -> Self:
        """As found in the table; a dataset never polled has no watermark."""
        return cls.model_validate(value) if value else cls()


def _from(time: datetime) -> Cursor:
    """Just before the rows published at `time`, in the portal's notation."""
    stamp = time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Cursor(updated_at=stamp, row_id="")


class MonthState(BaseModel):
    """Merge state of a crash month: `merge-state[month]`.

    `pages` are the Bronze keys merged last; `rows` and `high_water` (the greatest `:updated_at`) are by dataset;
    `orphans` counts crash ids of which only vehicles or people are known. All of it can be had again from the
    store: a lost or stale table costs time, never rows.
    """

    model_config = ConfigDict(frozen=True)

    head: Head
    pages: tuple[str, ...] = ()
    rows: dict[str, int] = {}
    high_water: dict[str, str] = {}
    orphans: int = 0

    def after(self, head: Head, page: str, silver: pl.DataFrame | None) -> Self:
        """The state after `page` was merged; `silver` is the month, or None where it did not change."""
        pages = (*(key for key in self.pages if key != page), page)[-PAGES_REMEMBERED:]
        if silver is None:
            return self.model_copy(update={"head": head, "pages": pages})
        tables = {
            dataset: rows_of(silver, TABLES[dataset]).select("crash_record_id", ":updated_at", GONE)
            for dataset in DATASETS
        }
        crashes = live(tables["crashes"])
        children = pl.concat([live(tables[dataset])["crash_record_id"] for dataset in ("vehicles", "people")])
        high_water = {name: rows[":updated_at"].max() for name, rows in tables.items()}
        return self.model_copy(
            update={
                "head": head,
                "pages": pages,
                "rows": {name: live(rows).height for name, rows in tables.items()},
                "high_water": {name: str(mark) for name, mark in high_water.items() if mark is not None},
                "orphans": children.filter(~children.is_in(crashes["crash_record_id"].implode())).n_unique(),
            }
        )

    def to_table(self) -> dict[str, Any]:
        """As kept in the table: plain JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_table(cls, month: str, value: dict[str, Any] | None) -> Self:
        """As found in the table; a month never seen is an empty one."""
        return cls.model_validate(value) if value else cls(head=Head(month))
