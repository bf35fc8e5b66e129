"""What each stage costs, as multiples of merely parsing the page's JSON in the same run."""

import io
import json
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

import polars as pl

from streams.domain.clean import gold_frames
from streams.domain.merge import empty_month, merge
from streams.domain.pages import read_page
from streams.domain.schemas import TABLES
from streams.local.portal.city import City
from streams.records import DATASETS, Dataset
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change

T = TypeVar("T")
CRASHES = 10_000  # about a month of Chicago


def timed(work: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    answer = work()
    return answer, time.perf_counter() - begun


def bodies() -> dict[Dataset, bytes]:
    """A month of the simulated city, as the portal would send it."""
    city = City(5).history(date(2024, 1, 1), date(2024, 2, 1), CRASHES)
    frames: dict[Dataset, list[pl.DataFrame]] = {dataset: [] for dataset in DATASETS}
    for chunk in city:
        for dataset in DATASETS:
            times = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            frames[dataset].append(chunk[dataset].with_columns(times))
    pages = {}
    for dataset, parts in frames.items():
        rows = pl.concat(parts).with_row_index(":id").cast({":id": pl.String}).to_dicts()
        sparse = [{name: value for name, value in row.items() if value is not None} for row in rows]
        pages[dataset] = json.dumps(sparse).encode()
    return pages


def main() -> None:
    pages = bodies()
    _, baseline = timed(lambda: [json.loads(body) for body in pages.values()])
    print(f"parse the JSON of {CRASHES:,} crashes and all with them: {baseline:.2f} s = 1.0")

    def show(stage: str, seconds: float) -> None:
        print(f"{stage:<44} {seconds / baseline:6.1f}  ({CRASHES / seconds:,.0f} crashes/s)")

    rows, seconds = timed(lambda: {name: read_page(body, TABLES[name]).rows for name, body in pages.items()})
    show("read pages into frames", seconds)
    silver, merging, repeating = empty_month(), 0.0, 0.0
    for dataset in DATASETS:
        merged, seconds = timed(lambda d=dataset, s=silver: merge(s, rows[d], TABLES[d]))
        silver, merging = merged.silver, merging + seconds
        _, seconds = timed(lambda d=dataset, s=silver: merge(s, rows[d], TABLES[d]))
        repeating += seconds
    show("merge three pages into a month", merging)
    show("merge them again: no change", repeating)
    buffer = io.BytesIO()
    _, seconds = timed(lambda: silver.write_parquet(buffer, compression="zstd"))
    show(f"write the month ({len(buffer.getvalue()) / 1e6:.1f} MB)", seconds)
    _, seconds = timed(lambda: gold_frames(silver))
    show("clean and engineer", seconds)
    with tempfile.TemporaryDirectory() as folder:
        gold = Gold.open(Path(folder) / "gold.duckdb")
        _, seconds = timed(lambda: gold.load([Change("2024-01", 1, silver)]))
        show("load into Gold, cleaning included", seconds)
        gold.close()


if __name__ == "__main__":
    main()
