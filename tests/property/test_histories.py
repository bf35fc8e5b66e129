"""Whatever happens at the portal, in whatever order it is heard of: Gold ends equal to a batch over the portal's rows.

A history is drawn step by step. What was published is read in any pages, which are merged and loaded in any order and
any number of times, while audits compare; in the end everything that is still on its way is delivered, and one audit
finds what was deleted. The merge, the load, the audit, Silver and Gold are the real ones.
"""

import asyncio
import json
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, cast

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.audit import audit
from agents.load import load
from agents.merge import merge
from streams.domain.merge import flatten, live
from streams.domain.pages import read_page
from streams.domain.schemas import TABLES, Table
from streams.errors import ObjectExists, ObjectMissing
from streams.records import DATASETS, UNDATED, AuditRequest, BronzeWritten, Dataset, Record
from streams.socrata.client import Portal
from streams.storage.bronze import Bronze
from streams.storage.findings import Findings
from streams.storage.gold.gold import Gold
from streams.storage.objects import ObjectInfo
from streams.storage.silver import Silver
from streams.topics import BRONZE_WRITTEN, CRASH_PAGES, RUN_EVENTS, SILVER_READY, Topic
from tests import facets
from tests.recompute import differences, expected

Row = dict[str, Any]

KEYS: Mapping[Dataset, list[str]] = {
    "crashes": ["a", "b", "c", "d"],
    "vehicles": ["1", "2", "3", "4", "5"],
    "people": ["P1", "P2", "P3", "P4", "P5"],
}
VALUES: Mapping[Dataset, tuple[str, list[str]]] = {
    "crashes": ("lane_cnt", ["2", "4"]),
    "vehicles": ("vehicle_type", ["PASSENGER", "TRUCK"]),
    "people": ("age", ["30", "60"]),
}
DAYS = [
    "2024-01-05T08:00:00.000",
    "2024-01-25T08:00:00.000",
    "2024-02-10T08:00:00.000",
    "2024-03-03T08:00:00.000",
    None,
]
START, END = date(2024, 1, 1), date(2024, 5, 1)

NUMBER = st.integers(0, 40)
DATASET = st.sampled_from(DATASETS)
DAY = st.sampled_from(DAYS)
CRASH = st.sampled_from(KEYS["crashes"])
KEYED = DATASET.flatmap(lambda dataset: st.tuples(st.just(dataset), st.sampled_from(KEYS[dataset])))
PUT = st.tuples(st.just("publish"), KEYED, CRASH, DAY, st.integers(0, 1))
READ = st.tuples(st.just("read"), DATASET, st.lists(NUMBER, min_size=1, max_size=8))
MERGE = st.tuples(st.just("merge"), st.lists(NUMBER, min_size=1, max_size=4), st.booleans())
STEP = st.one_of(
    PUT,
    PUT,
    PUT,
    st.tuples(st.just("move"), CRASH, DAY, st.booleans()),
    st.tuples(st.just("delete"), KEYED),
    st.tuples(st.just("republish")),
    READ,
    READ,
    st.tuples(st.just("read_news")),
    MERGE,
    MERGE,
    st.tuples(st.just("load"), st.lists(NUMBER, min_size=1, max_size=4), st.booleans()),
    st.tuples(st.just("audit"), st.booleans()),
)


JANUARY, FEBRUARY, VEHICLE = DAYS[0], DAYS[2], ("vehicles", "1")

# A vehicle is dated otherwise and back again, and Gold hears of the one when Silver has not heard of the other: that
# it left January is told to a month that has it again, with nothing new to say.
THERE_AND_BACK: list[tuple[Any, ...]] = [
    *[("publish", VEHICLE, "a", JANUARY, 0), ("read_news",), ("merge", [0], False), ("load", [0], False)],
    *[("publish", VEHICLE, "a", FEBRUARY, 0), ("read_news",), ("merge", [0], False)],
    *[("publish", VEHICLE, "a", JANUARY, 0), ("read_news",), ("load", [0], False)],
]


@settings(max_examples=settings.default.max_examples // 4)
@given(st.lists(STEP, min_size=10, max_size=60))
@example(THERE_AND_BACK)
def test_gold_is_exact_after_any_history_in_any_order(history: list[tuple[Any, ...]]) -> None:
    asyncio.run(_live_through(history))


async def test_a_load_takes_nothing_from_a_crash_but_what_moved(tmp_path: Path) -> None:
    """January takes the crash's vehicle, in a batch in which February says nothing of that crash."""
    with closing(Gold.open(tmp_path / "gold.duckdb")) as gold:
        city = City(gold)
        await city.publish(("crashes", "a"), "a", FEBRUARY, 0)
        await city.publish(VEHICLE, "a", FEBRUARY, 0)
        await city.read_news()
        await city.deliver_all()
        await city.publish(("crashes", "b"), "b", FEBRUARY, 0)
        await city.publish(VEHICLE, "a", JANUARY, 0)
        await city.read_news()
        await city.merge_all()
        await city.load([0, 1], again=False)
        assert differences(expected(city.rows), city.gold_rows()) == []


async def _live_through(history: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Gold.open(Path(folder) / "gold.duckdb")) as gold:
        city = City(gold)
        for name, *arguments in history:
            await getattr(city, name)(*arguments)
        assert facets.differences(gold) == []
        await city.read_news()
        await city.deliver_all()
        await city.audit(thorough=True)
        await city.deliver_all()
        assert differences(expected(city.rows), city.gold_rows()) == []
        assert facets.differences(gold) == []

        applied, loaded = gold.applied(), gold.status().version
        await city.republish()
        await city.read_news()
        await city.merge_all()
        assert city.sent[SILVER_READY.name] == [], "a republish is no news"
        assert (gold.applied(), gold.status().version) == (applied, loaded)
        assert await city.silver_rows() == city.published()


class City:
    """A portal, and the copy of it that the agents keep.

    `now` holds the portal's rows by key; `log` each of them as it ever was, and `news` the keys of those that no page
    has as they are now. `sent` are the messages on their way, `known` those that were delivered and may come again.
    """

    def __init__(self, gold: Gold) -> None:
        objects = Memory()
        self.gold = gold
        self.bronze, self.silver, self.findings = Bronze(objects), Silver(objects), Findings(objects)
        self.now: dict[Dataset, dict[str, Row]] = {dataset: {} for dataset in DATASETS}
        self.log: dict[Dataset, list[Row]] = {dataset: [] for dataset in DATASETS}
        self.news: dict[Dataset, set[str]] = {dataset: set() for dataset in DATASETS}
        self.sent: dict[str, list[Any]] = defaultdict(list)
        self.known: dict[str, list[Any]] = defaultdict(list)
        self.states: dict[str, Any] = {}
        self.clock, self.runs = count(), count()

    # What happens at the portal.

    async def publish(self, keyed: tuple[Dataset, str], crash: str, day: str | None, value: int) -> None:
        """A row is published for the first time, or amended; its date and its crash may be others than before."""
        dataset, key = keyed
        column, values = VALUES[dataset]
        row = {"crash_record_id": crash, TABLES[dataset].key: key, "crash_date": day, column: values[value]}
        self._publish(dataset, key, row)

    async def move(self, crash: str, day: str | None, with_children: bool) -> None:
        """A crash is dated otherwise, at once with its vehicles and people or without them."""
        for dataset in DATASETS if with_children else DATASETS[:1]:
            for key, row in list(self.now[dataset].items()):
                if row["crash_record_id"] == crash:
                    self._publish(dataset, key, row | {"crash_date": day})

    async def delete(self, keyed: tuple[Dataset, str]) -> None:
        dataset, key = keyed
        self.now[dataset].pop(key, None)
        self.news[dataset].discard(key)

    async def republish(self) -> None:
        for dataset in DATASETS:
            for key, row in list(self.now[dataset].items()):
                self._publish(dataset, key, row)

    def _publish(self, dataset: Dataset, key: str, row: Row) -> None:
        second = next(self.clock)
        stamp = f"2024-06-01T00:{second // 60:02d}:{second % 60:02d}.000Z"
        row = {name: value for name, value in row.items() if value is not None}
        row |= {":id": f"row-{key}", ":updated_at": stamp, ":version": f"rv-{sha256(stamp.encode()).hexdigest()[:8]}"}
        self.now[dataset][key] = row
        self.log[dataset].append(row)
        self.news[dataset].add(key)

    # What the service does about it.

    async def read(self, dataset: Dataset, picks: list[int]) -> None:
        """A page of rows as they are or once were."""
        log = self.log[dataset]
        await self._read(dataset, {pick % len(log): log[pick % len(log)] for pick in picks}.values() if log else [])

    async def read_news(self) -> None:
        for dataset in DATASETS:
            await self._read(dataset, [self.now[dataset][key] for key in sorted(self.news[dataset])])

    async def merge(self, picks: list[int], again: bool) -> None:
        for written in self._pick(BRONZE_WRITTEN, picks, again):
            await merge(written, self.states, self.bronze, self.silver, self.emit)

    async def load(self, picks: list[int], again: bool) -> None:
        await load(self._pick(SILVER_READY, picks, again), self.silver, self.gold, self.bronze, self.emit)

    async def audit(self, thorough: bool) -> None:
        request = AuditRequest(run_id=f"audit-{next(self.runs)}", start=START, end=END, thorough=thorough)
        portal = cast(Portal, Questions(self.now))
        await audit(
            request, portal, self.bronze, self.silver, self.findings, self.emit, START, lambda: date(2024, 4, 1)
        )

    async def merge_all(self) -> None:
        while self.sent[BRONZE_WRITTEN.name]:
            await self.merge([0], again=False)

    async def deliver_all(self) -> None:
        """Until nothing is on its way: a load may tell months of rows that they have lost."""
        while self.sent[BRONZE_WRITTEN.name] or self.sent[SILVER_READY.name] or self.sent[CRASH_PAGES.name]:
            for page in self._take(CRASH_PAGES):
                window = range_of(page.start, page.end)
                await self._read(
                    page.dataset, [row for row in self.now[page.dataset].values() if day_of(row) in window]
                )
            await self.merge_all()
            await self.load(list(range(len(self.sent[SILVER_READY.name]))), again=False)

    async def emit(self, topic: Topic, record: Record) -> None:
        if topic is not RUN_EVENTS:
            self.sent[topic.name].append(type(record).decode(record.encode()))

    async def _read(self, dataset: Dataset, rows: Iterable[Row]) -> None:
        rows = list(rows)
        if not rows:
            return
        key = await self.bronze.keep("pages", dataset, rows)
        for month in read_page(json.dumps(rows).encode(), TABLES[dataset]).months:
            written = BronzeWritten(run_id="run", page_id=f"{key}/0", dataset=dataset, bronze_key=key, month=month)
            await self.emit(BRONZE_WRITTEN, written)
        for row in rows:
            name = row[TABLES[dataset].key]
            if self.now[dataset].get(name) is row:
                self.news[dataset].discard(name)

    def _pick(self, topic: Topic, picks: list[int], again: bool) -> list[Any]:
        """Messages of a topic in the order of `picks`; `again`, of those that were delivered before, too."""
        sent, known = self.sent[topic.name], self.known[topic.name]
        source = [*sent, *known] if again else sent
        picked = [source[place] for place in dict.fromkeys(pick % len(source) for pick in picks)] if source else []
        for message in picked:
            if message in sent:
                sent.remove(message)
                known.append(message)
        return picked

    def _take(self, topic: Topic) -> list[Any]:
        return self.sent.pop(topic.name, [])

    # What there is in the end.

    @property
    def rows(self) -> dict[str, list[Row]]:
        return {dataset: list(rows.values()) for dataset, rows in self.now.items()}

    def published(self) -> set[tuple[str, str, str, str]]:
        """The portal's rows: dataset, key, crash month and stamp."""
        return {
            (dataset, key, row.get("crash_date", UNDATED)[:7], row[":updated_at"])
            for dataset, rows in self.now.items()
            for key, row in rows.items()
        }

    async def silver_rows(self) -> set[tuple[str, str, str, str]]:
        """As `published`, of all months of Silver, none of whose rows stands in two."""
        found = []
        for month in await self.silver.months():
            frame = await self.silver.month(await self.silver.head(month))
            for dataset, table in TABLES.items():
                rows = live(flatten(frame, table)).select(table.key, ":updated_at").rows()
                found += [(dataset, key, month, stamp) for key, stamp in rows]
        assert len(found) == len(set(found)) == len({(dataset, key) for dataset, key, *_ in found})
        return set(found)

    def gold_rows(self) -> dict[str, Any]:
        return {name: self.gold.query(f"from {name}").table for name in TABLES}


class Questions:
    """What an audit asks the portal, answered from its rows."""

    def __init__(self, now: Mapping[Dataset, Mapping[str, Row]]) -> None:
        self._now = now

    async def counts(self, table: Table, start: date, end: date) -> dict[str, int]:
        months = [row["crash_date"][:7] for row in self._in(table, start, end).values()]
        return {month: months.count(month) for month in months}

    async def keys(self, table: Table, start: date, end: date) -> set[str]:
        return set(self._in(table, start, end))

    async def confirm(self, table: Table, keys: Collection[str]) -> dict[str, str | None]:
        return {key: row.get("crash_date") for key, row in self._now[table.dataset].items() if key in keys}

    def _in(self, table: Table, start: date, end: date) -> dict[str, Row]:
        return {key: row for key, row in self._now[table.dataset].items() if day_of(row) in range_of(start, end)}


class Memory:
    """Objects in memory."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[bytes, ObjectInfo]] = {}

    async def put(self, bucket: str, key: str, body: bytes, *, if_absent: bool = False, **told: Any) -> None:
        if if_absent and (bucket, key) in self._held:
            raise ObjectExists(key)
        info = ObjectInfo(key, len(body), sha256(body).hexdigest(), datetime.now(UTC), told.get("metadata") or {})
        self._held[bucket, key] = body, info

    async def get(self, bucket: str, key: str) -> tuple[bytes, ObjectInfo]:
        if (bucket, key) not in self._held:
            raise ObjectMissing(key)
        return self._held[bucket, key]

    async def head(self, bucket: str, key: str) -> ObjectInfo:
        return (await self.get(bucket, key))[1]

    async def list(self, bucket: str, prefix: str = "", *, start_after: str = "") -> AsyncIterator[ObjectInfo]:
        for place, key in sorted(self._held):
            if place == bucket and key.startswith(prefix) and key > start_after:
                # A listing carries no metadata.
                yield replace(self._held[bucket, key][1], metadata={})

    async def delete(self, bucket: str, keys: Iterable[str]) -> None:
        for key in keys:
            self._held.pop((bucket, key), None)

    async def ensure_buckets(self, names: Iterable[str]) -> None: ...

    async def ping(self) -> None: ...


def day_of(row: Row) -> int | None:
    return date.fromisoformat(row["crash_date"][:10]).toordinal() if "crash_date" in row else None


def range_of(start: date, end: date) -> range:
    return range(start.toordinal(), end.toordinal())
