"""How fast Gold takes in and gives out: `python -m tests.bench.gold [crashes]`."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.domain.clean import gold_frames
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from tests.gold_rows import many

BATCH = 50_000


def timed(what: str, work: Callable[[], Any], rows: int) -> None:
    begun = time.perf_counter()
    work()
    seconds = time.perf_counter() - begun
    print(f"{what:<44} {seconds:7.2f} s {rows / seconds:12,.0f} crashes/s", flush=True)


def main(crashes: int = 200_000) -> None:
    days = [f"2024-{month:02d}-05T08:30:00.000" for month in range(1, 13)]
    with tempfile.TemporaryDirectory() as folder:
        gold = Gold.open(Path(folder) / "gold.duckdb")
        months = [
            (day[:7], many(BATCH, start=10_000 * place, day=day))
            for place, day in zip(range(crashes // BATCH), days * (1 + crashes // BATCH // 12), strict=False)
        ]
        timed("clean and engineer", lambda: gold_frames(months[0][1]), BATCH)
        for version, (month, silver) in enumerate(months, 1):
            change = Change(month, version, silver)
            timed(f"load into {gold.status().rows['crashes']:,}", lambda c=change: gold.load([c]), BATCH)
        month, silver = months[0]
        for version in range(100, 103):
            timed("load again (all replaced)", lambda v=version: gold.load([Change(month, v, silver)]), BATCH)
        for size in (1, 300):
            small = Change(month, 200 + size, silver.head(size))
            timed(f"load a delta of {size}", lambda c=small: gold.load([c]), size)
        for sql in ("select count(*) from crashes", "select hour, avg(injury::int) from crashes group by all"):
            timed(sql[:44], lambda q=sql: gold.query(q), crashes)
        timed("100,000 rows out", lambda: gold.query("from crashes", limit=100_000), min(100_000, crashes))
        print(gold.status())
        gold.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
