"""The extent is settled by the first start, remembered, and only ever widened."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Literal

import pytest

from streams.extent import settle_extent
from streams.records import BackfillRequest, Record
from streams.settings import Settings
from streams.storage.objects import S3Objects
from streams.topics import Topic
from tests.embedded_s3 import embedded_store

TODAY = date(2026, 11, 23)


class Copy:
    """A store, and what starts on it have asked for."""

    def __init__(self, objects: S3Objects) -> None:
        self.objects = objects
        self.asked: list[tuple[date, date]] = []

    async def emit(self, _: Topic, record: Record) -> None:
        assert isinstance(record, BackfillRequest)
        self.asked.append((record.start, record.end))

    async def start(self, since: date | Literal["all"] | None, today: date = TODAY) -> date:
        now = datetime.combine(today, time(12), UTC)
        return (await settle_extent(self.objects, Settings(since=since), now, self.emit)).since


@pytest.fixture
async def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Copy]:
    monkeypatch.chdir(tmp_path)
    async with embedded_store(tmp_path / "s3") as store, store.client() as objects:
        await objects.ensure_buckets(["bronze"])
        yield Copy(objects)


async def test_the_first_start_asks_for_thirty_days_and_later_ones_for_nothing(copy: Copy) -> None:
    assert await copy.start(None) == date(2026, 10, 24)
    assert copy.asked == [(date(2026, 10, 24), date(2026, 11, 24))]
    assert await copy.start(None, date(2027, 1, 1)) == date(2026, 10, 24)
    assert await copy.start(date(2026, 11, 1)) == date(2026, 10, 24), "an extent is never narrowed"
    assert len(copy.asked) == 1


async def test_an_earlier_since_asks_for_what_lies_before(copy: Copy) -> None:
    await copy.start(date(2026, 1, 1))
    assert await copy.start(date(2025, 6, 1)) == date(2025, 6, 1)
    assert await copy.start("all") == date(2013, 1, 1)
    assert copy.asked == [
        (date(2026, 1, 1), date(2026, 11, 24)),
        (date(2025, 6, 1), date(2026, 1, 1)),
        (date(2013, 1, 1), date(2025, 6, 1)),
    ]
