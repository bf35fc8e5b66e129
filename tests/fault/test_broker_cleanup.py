"""Retention and compaction of the embedded broker: the disk stays bounded, and what must stay does."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord, TopicPartition

from streams.local.broker.batch import placed_at
from streams.local.broker.journal import Journal
from tests.embedded_broker import EmbeddedBroker, batch, consumer, create_topic, producer, read, wire

KIB = 1024


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("broker") / "data", cleanup_seconds=0.1) as broker:
        yield broker


@dataclass
class Topic:
    """A test's own topic, with one partition."""

    broker: EmbeddedBroker
    name: str

    async def create(self, **configs: object) -> None:
        await create_topic(self.broker.bootstrap, self.name, **configs)

    async def overwrite(self, rounds: int, keys: int, **options: object) -> dict[bytes, bytes]:
        """Write ``rounds`` values of 1 KiB for each of ``keys``; returns the last ones."""
        last: dict[bytes, bytes] = {}
        async with producer(self.broker.bootstrap, linger_ms=5, **options) as client:
            for _ in range(rounds):
                sent = []
                for key in range(keys):
                    value = os.urandom(KIB // 2).hex().encode()  # that can be compressed by half
                    sent.append(await client.send(self.name, value, b"%d" % key))
                    last[b"%d" % key] = value
                await asyncio.gather(*sent)
        return last

    async def produce(self, *records: tuple[bytes | None, bytes | None], timestamp: int | None = None) -> None:
        async with wire(self.broker.bootstrap) as requests:
            assert (await requests.produce(self.name, batch(*records, timestamp=timestamp)))[0] == 0

    async def records(self) -> list[ConsumerRecord[bytes, bytes]]:
        return await read(self.broker.bootstrap, self.name)

    async def last_values(self) -> dict[bytes | None, bytes | None]:
        return {it.key: it.value for it in await self.records()}

    @property
    def directory(self) -> Path:
        return self.broker.partition_dir(self.name)

    @property
    def size(self) -> int:
        """Bytes of log; compaction may take files away while they are counted."""
        try:
            return sum(path.stat().st_size for path in self.directory.glob("*.log"))
        except FileNotFoundError:
            return self.size

    @property
    def compacted(self) -> bool:
        events = self.broker.events()
        return any(it["event"] == "compacted" and it["directory"] == str(self.directory) for it in events)


@pytest.fixture
def topic(broker: EmbeddedBroker) -> Topic:
    return Topic(broker, f"t-{uuid.uuid4().hex[:8]}")


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_retention_by_size_bounds_the_log(topic: Topic) -> None:
    await topic.create(retention_bytes=200 * KIB, segment_bytes=50 * KIB)
    await topic.overwrite(rounds=20, keys=50)
    await until(lambda: topic.size < 251 * KIB)
    records = await topic.records()
    assert records[-1].offset == 999
    assert [it.offset for it in records] == list(range(records[0].offset, 1000))
    assert len(records) >= 150


async def test_retention_by_age_deletes_old_segments(topic: Topic) -> None:
    await topic.create(retention_ms=3_600_000, segment_bytes=10 * KIB)
    now = int(time.time() * 1000)
    for age_hours in (3, 2, 0, 0):
        await topic.produce((None, bytes(9 * KIB)), timestamp=now - age_hours * 3_600_000)
    await until(lambda: topic.size < 20 * KIB)
    assert [it.offset for it in await topic.records()] == [2, 3]


async def test_a_compacted_topic_keeps_what_is_old(topic: Topic) -> None:
    await topic.create(cleanup_policy="compact", retention_ms=1, segment_bytes=2 * KIB)
    last = await topic.overwrite(rounds=5, keys=10)
    await until(lambda: topic.compacted)
    assert await topic.last_values() == last


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_compaction_keeps_the_last_value_of_every_key(topic: Topic, codec: str | None) -> None:
    await topic.create(cleanup_policy="compact", segment_bytes=10 * KIB)
    last = await topic.overwrite(rounds=40, keys=20, compression_type=codec)
    await until(lambda: topic.compacted)
    await until(lambda: topic.size < 60 * KIB)
    records = await topic.records()
    assert {it.key: it.value for it in records} == last
    assert len(records) < 200
    assert records[-1].offset == 799  # what stays, stays at its offset
    assert [it.offset for it in records] == sorted({it.offset for it in records})


async def test_a_reader_finds_its_way_over_the_holes(topic: Topic) -> None:
    await topic.create(cleanup_policy="compact", segment_bytes=10 * KIB)
    await topic.overwrite(rounds=40, keys=5)
    await until(lambda: topic.size < 30 * KIB)
    records = await topic.records()
    kept = [it.offset for it in records]
    assert len(kept) < 100
    place = TopicPartition(topic.name, 0)
    async with consumer(topic.broker.bootstrap) as client:
        client.assign([place])
        for offset in range(0, 200, 7):
            client.seek(place, offset)
            assert (await client.getone()).offset == next(it for it in kept if it >= offset)


async def test_tombstones_go_after_their_time_and_take_the_key_with_them(topic: Topic) -> None:
    configs = {"cleanup_policy": "compact", "segment_bytes": 2 * KIB, "delete_retention_ms": 1000}
    await topic.create(**configs, min_cleanable_dirty_ratio=0)
    old = int(time.time() * 1000) - 10_000
    await topic.produce((b"old", b"value"), timestamp=old)
    await topic.produce((b"old", None), timestamp=old)
    last = await topic.overwrite(rounds=6, keys=1)
    await until(lambda: topic.compacted)
    assert await topic.last_values() == last


async def test_a_fresh_tombstone_stays_for_readers_to_see(topic: Topic) -> None:
    await topic.create(cleanup_policy="compact", segment_bytes=2 * KIB)
    await topic.produce((b"k", b"value"))
    await topic.produce((b"k", None))
    await topic.overwrite(rounds=10, keys=1)
    await until(lambda: topic.compacted)
    of_key = [it.value for it in await topic.records() if it.key == b"k"]
    assert of_key == [None]


async def test_compaction_killed_at_any_time_loses_no_last_value(topic: Topic) -> None:
    await topic.create(cleanup_policy="compact", segment_bytes=150 * KIB, min_cleanable_dirty_ratio=0)
    last: dict[bytes, bytes] = {}
    for pause in (0.05, 0.12, 0.2, 0.3):
        last |= await topic.overwrite(rounds=10, keys=150)
        await asyncio.sleep(pause)  # somewhere within the rounds of cleaning that go on
        topic.broker.kill()
        topic.broker.start()
        assert await topic.last_values() == last
    await until(lambda: topic.size < 600 * KIB)
    assert await topic.last_values() == last
    assert not list(topic.directory.glob("*.tmp"))


async def test_a_file_that_a_merged_one_replaced_is_removed_at_the_start(topic: Topic) -> None:
    await topic.create(cleanup_policy="compact", segment_bytes=10 * KIB)
    last = await topic.overwrite(rounds=24, keys=5)
    await until(lambda: topic.size < 30 * KIB)
    topic.broker.kill()
    stale = topic.directory / f"{3:020}.log"  # as if the kill had come before it was unlinked
    stale.write_bytes(b"".join(placed_at(batch((b"0", b"stale")), 3)))
    topic.broker.start()
    assert await topic.last_values() == last
    assert not stale.exists()


async def test_the_journal_stays_bounded(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as disk:
        journal = Journal(tmp_path / "journal", disk)
        for offset in range(500):
            await journal.put({("offset", "g", "t", partition): [offset, ""] for partition in range(100)})
        journal.close()
        assert (tmp_path / "journal").stat().st_size < 900 * KIB  # of 2,200 that were written
        again = Journal(tmp_path / "journal", disk)
        assert again.of("offset", "g") == {("t", partition): [499, ""] for partition in range(100)}
        again.close()
