"""What the worker remembers between events: the values of its Faust tables."""

from typing import Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict

from streams.domain.merge import flatten, live
from streams.domain.schemas import TABLES
from streams.records import DATASETS
from streams.storage.silver import Head

# Pages remembered by month, so that one delivered again costs no read. More would only cost: merging is idempotent.
PAGES_REMEMBERED = 64


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
        tables = {dataset: flatten(silver, TABLES[dataset]) for dataset in DATASETS}
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
