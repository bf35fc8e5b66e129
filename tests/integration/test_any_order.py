"""Eight thousand crashes whose pages are delivered shuffled, a third of them twice."""

import random
from datetime import date
from pathlib import Path

from streams.topics import BRONZE_WRITTEN, SILVER_READY
from tests.pipeline import city, pipeline

CRASHES = 8_000


async def test_eight_thousand_crashes_in_another_order(tmp_path: Path) -> None:
    tables = city(11, date(2024, 1, 20), date(2024, 8, 10), CRASHES)
    rng = random.Random(1)
    async with pipeline(tmp_path, tables) as pipe:
        pipe.page_rows = 1_360  # so that a month has a page of crashes and some of vehicles and people
        await pipe.fetch_all("first")
        pages = pipe.take(BRONZE_WRITTEN)
        deliveries = pages + rng.choices(pages, k=len(pages) // 3)
        rng.shuffle(deliveries)
        ready: list = []
        for written in deliveries:
            await pipe.merge(written)
            ready += pipe.take(SILVER_READY)
            if rng.random() < 0.2:
                await pipe.load([*ready, *ready[:1]])
                ready = []
        await pipe.load(ready)
        assert await pipe.wrong() == []
        assert pipe.gold.status().rows["crashes"] == CRASHES
