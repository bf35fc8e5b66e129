"""The agents joined by lists instead of a broker, over the real portal server, store and DuckDB.

A test decides in which order messages are delivered, how often, and where a process dies.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from shutil import copyfile
from typing import Any, Self

import aiohttp
import duckdb
from aiohttp.test_utils import TestServer

from agents.fetch import fetch
from agents.load import load
from agents.merge import merge
from agents.plan import plan
from agents.poll import poll
from agents.trace import note
from streams.domain.schemas import TABLES
from streams.extent import Extent
from streams.local.portal import Tables, create_app
from streams.local.portal.city import City
from streams.local.portal.rows import city_frame
from streams.records import DATASETS, BackfillRequest, PollRequest, Record
from streams.socrata.client import Portal
from streams.storage.bronze import Bronze
from streams.storage.gold.gold import Gold
from streams.storage.objects import BINARY, ObjectInfo, S3Objects
from streams.storage.silver import Silver
from streams.topics import BRONZE_WRITTEN, CRASH_PAGES, POLL_REQUESTS, RUN_EVENTS, SILVER_READY, Topic
from tests.embedded_s3 import BUCKETS, shared_objects
from tests.recompute import differences, expected

# The files of the portal and of Gold, and what else of a pipeline outlives a moment.
PORTAL, GOLD = "portal.duckdb", "gold.duckdb"
KEPT = ("page_rows", "states", "marks", "sent")

EXTENT = Extent(since=date(2013, 1, 1), settled_at=datetime(2026, 1, 1, tzinfo=UTC))


class Killed(BaseException):
    """The process dies here: no handler of ours catches it."""


@dataclass
class Pipeline:
    tables: Tables
    url: str
    portal: Portal
    objects: S3Objects
    gold: Gold
    page_rows: int = 400
    extent: Extent = field(default_factory=lambda: EXTENT)
    states: dict[str, Any] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    die_before: Topic | None = None

    def __post_init__(self) -> None:
        self.bronze = Bronze(self.objects)
        self.silver = Silver(self.objects)

    async def emit(self, topic: Topic, record: Record) -> None:
        if topic is self.die_before:
            self.die_before = None
            raise Killed
        self.sent[topic.name].append(type(record).decode(record.encode()))

    def take(self, topic: Topic) -> list[Any]:
        """All messages of a topic so far, which then are delivered no more."""
        return self.sent.pop(topic.name, [])

    async def fetch_all(self, run_id: str, **request: Any) -> None:
        """Plan a backfill and fetch its pages to the last."""
        span = {"start": date(2013, 1, 1), "end": date(2030, 1, 1)} | request
        await plan(BackfillRequest(run_id=run_id, request_id=run_id, **span), self.portal, self.emit)
        await self.fetch_pages()

    async def fetch_pages(self) -> None:
        """Fetch the pages that were asked for, and those that follow them."""
        while pages := self.take(CRASH_PAGES):
            for page in pages:
                await fetch(page, self.portal, self.bronze, self.emit, self.page_rows)

    async def merge(self, written: Any) -> None:
        await merge(written, self.states, self.bronze, self.silver, self.emit)

    async def load(self, ready: list[Any]) -> None:
        await load(ready, self.silver, self.gold, self.bronze, self.emit)
        await note(self.take(RUN_EVENTS), self.gold)

    async def merge_and_load(self) -> None:
        """Until nothing is left: a load tells months what they have lost."""
        while written := self.take(BRONZE_WRITTEN):
            for one in written:
                await self.merge(one)
            await self.load(self.take(SILVER_READY))

    async def poll(self, run_id: str = "poll", since: datetime | None = None) -> None:
        """Poll each dataset once, to its last page."""
        for dataset in DATASETS:
            await self.emit(POLL_REQUESTS, PollRequest(run_id=f"{run_id}-{dataset}", dataset=dataset, since=since))
        while requests := self.take(POLL_REQUESTS):
            for request in requests:
                await self.poll_one(request)

    async def poll_one(self, request: PollRequest) -> None:
        await poll(request, self.marks, self.portal, self.bronze, self.emit, self.extent, self.page_rows)

    async def truth(self) -> duckdb.DuckDBPyConnection:
        """Gold recomputed from what the portal holds now."""
        rows = {}
        async with aiohttp.ClientSession() as session:
            for dataset, table in TABLES.items():
                parameters = {"$limit": "1000000", "$order": ":id"}
                async with session.get(f"{self.url}/resource/{table.portal_id}.json", params=parameters) as answer:
                    rows[dataset] = json.loads(await answer.read())
        return expected(rows)

    async def wrong(self) -> list[str]:
        """How Gold differs from the truth."""
        tables = {name: self.gold.query(f"from {name}", limit=1_000_000).table for name in TABLES}
        return differences(await self.truth(), tables)


def city(
    seed: int,
    start: date,
    end: date,
    crashes: int,
    published: datetime | None = None,
    path: Path | str = ":memory:",
) -> Tables:
    """A portal's tables of so many simulated crashes, all published at one time."""
    tables = Tables(path)
    for chunk in City(seed).history(start, end, crashes):
        for name, frame in chunk.items():
            tables.load(name, city_frame(frame), published)
    return tables


@asynccontextmanager
async def pipeline(folder: Path, tables: Tables) -> AsyncIterator[Pipeline]:
    """Everything running over `folder`; `tables` is what the portal serves."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(create_app(tables)))
        url = str(server.make_url("")).rstrip("/")
        objects = await stack.enter_async_context(shared_objects())
        portal = await stack.enter_async_context(Portal.connect(url, None))
        gold = Gold.open(folder / GOLD)
        stack.callback(gold.close)
        yield Pipeline(tables, url, portal, objects, gold)


@dataclass(frozen=True)
class Stage:
    """What a pipeline has come to, for any number of tests to go on from: each has a portal, a store and a Gold as it.

    Its portal listens elsewhere, so a page that is asked for again is another object of Bronze.
    """

    folder: Path
    objects: list[tuple[str, bytes, ObjectInfo]]
    kept: dict[str, Any]

    @classmethod
    def reach(cls, folder: Path, tables: Tables, play: Callable[[Pipeline], Awaitable[None]]) -> Self:
        """Let `play` bring a pipeline there; `tables` are those of `folder`'s file `PORTAL`."""

        async def reached() -> Self:
            async with pipeline(folder, tables) as running:
                await play(running)
                objects = [
                    (bucket, *await running.objects.get(bucket, info.key))
                    for bucket in BUCKETS
                    async for info in running.objects.list(bucket)
                ]
                return cls(folder, objects, {name: getattr(running, name) for name in KEPT})

        try:
            return asyncio.run(reached())
        finally:
            tables.close()

    @asynccontextmanager
    async def pipeline(self, folder: Path) -> AsyncIterator[Pipeline]:
        """Everything running over `folder`, from here on."""
        for name in (PORTAL, GOLD):
            copyfile(self.folder / name, folder / name)
        tables = Tables(folder / PORTAL)
        try:
            async with pipeline(folder, tables) as running:
                for bucket, body, info in self.objects:
                    await running.objects.put(
                        bucket,
                        info.key,
                        body,
                        metadata=info.metadata,
                        content_type=info.content_type or BINARY,
                        content_encoding=info.content_encoding,
                    )
                for name, value in deepcopy(self.kept).items():
                    setattr(running, name, value)
                yield running
        finally:
            tables.close()
