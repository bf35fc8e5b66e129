"""The embedded broker after a crash: what was acknowledged is there, and what was torn is not in the way."""

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    CommitFailedError,
    CorruptRecordException,
    KafkaError,
    KafkaStorageError,
    OutOfOrderSequenceNumber,
)
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from tests.embedded_broker import (
    CLIENTS_LEAK,
    EmbeddedBroker,
    admin,
    batch,
    consumer,
    create_topic,
    producer,
    read,
    wire,
)

pytestmark = CLIENTS_LEAK


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "data") as broker:
        yield broker


async def values(broker: EmbeddedBroker, topic: str = "t") -> list[bytes | None]:
    return [record.value for record in await read(broker.bootstrap, topic)]


async def fill(broker: EmbeddedBroker, count: int, topic: str = "t", size: int = 0) -> list[bytes]:
    """Write ``count`` batches of one record each."""
    written = [b"%d" % n + bytes(size) for n in range(count)]
    async with wire(broker.bootstrap) as requests:
        for value in written:
            error, _ = await requests.produce(topic, batch((None, value)))
            assert error == 0
    return written


def batch_start(content: bytearray, number: int) -> int:
    """Position of a log's batch, by its number."""
    position = 0
    for _ in range(number):
        position += 12 + int.from_bytes(content[position + 8 : position + 12], "big")
    return position


def log_file(broker: EmbeddedBroker, topic: str = "t") -> Path:
    return max(broker.partition_dir(topic).glob("*.log"))


async def test_no_acknowledged_record_is_lost_when_it_is_killed_in_mid_write(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t", segment_bytes=200_000)  # so that kills meet rolls, too
    acknowledged: set[bytes] = set()
    enough = asyncio.Event()

    async def write(worker: int) -> None:
        async with producer(broker.bootstrap, enable_idempotence=True, retry_backoff_ms=50) as client:
            number = 0
            while not enough.is_set():
                chunk = [b"%d-%d" % (worker, n) + bytes(200) for n in range(number, number + 50)]
                number += 50
                try:
                    await asyncio.gather(*[await client.send("t", value) for value in chunk])
                except KafkaError:  # unknown whether it is stored; the producer must be begun anew
                    return
                acknowledged.update(chunk)

    for round_ in range(4):
        writers = [asyncio.create_task(write(10 * round_ + n)) for n in range(3)]
        goal = len(acknowledged) + 2500
        async with asyncio.timeout(30):
            while len(acknowledged) < goal:
                await asyncio.sleep(0.01)
        broker.kill()
        await asyncio.sleep(0.1)
        broker.start()
        enough.set()
        await asyncio.gather(*writers)
        enough.clear()

    stored = await values(broker)
    assert len(acknowledged) >= 10_000
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))  # what was sent again after the crash is not there twice


async def test_topics_configs_and_committed_offsets_survive(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t", 3, cleanup_policy="compact")
    await create_topic(broker.bootstrap, "gone")
    place = TopicPartition("t", 2)
    async with admin(broker.bootstrap) as client:
        await client.delete_topics(["gone"])
    async with consumer(broker.bootstrap, group_id="g") as client:
        client.assign([place])
        for offset in range(50):
            await client.commit({place: OffsetAndMetadata(offset, "note")})
    broker.kill()
    broker.start()
    async with admin(broker.bootstrap) as client:
        assert await client.list_topics() == ["t"]
        assert len((await client.describe_topics(["t"]))[0]["partitions"]) == 3
        assert await client.list_consumer_group_offsets("g") == {place: OffsetAndMetadata(49, "note")}
    (topic_folder,) = (broker.data_dir / "topics").iterdir()
    assert topic_folder.name.startswith("t.")


async def test_a_torn_tail_is_cut_off(broker: EmbeddedBroker) -> None:
    tails = {"zeros": bytes(5000), "twos": b"\x02" * 500, "text": b"garbage", "half": batch((None, b"x"))[:-1]}
    written = {}
    for name in tails:
        await create_topic(broker.bootstrap, name)
        written[name] = await fill(broker, 20, name)
    broker.kill()
    for name, tail in tails.items():
        with log_file(broker, name).open("ab") as log:
            log.write(tail)
    broker.start()
    for name in tails:
        assert await values(broker, name) == written[name]
        after = await fill(broker, 1, name)
        assert await values(broker, name) == written[name] + after


async def test_damage_in_the_middle_costs_its_batch_only(broker: EmbeddedBroker) -> None:
    places = {"length": 10, "format": 16, "record": 100}  # bytes from the batch's start
    contents, written = {}, {}
    for name in places:
        await create_topic(broker.bootstrap, name)
        written[name] = await fill(broker, 20, name, size=100)
    broker.kill()
    for name, place in places.items():
        content = bytearray(log_file(broker, name).read_bytes())
        content[batch_start(content, 7) + place] ^= 0x55
        log_file(broker, name).write_bytes(content)
        contents[name] = content
    broker.start()
    for name in places:
        records = await read(broker.bootstrap, name)
        assert [record.offset for record in records] == [n for n in range(20) if n != 7]
        assert [record.value for record in records] == written[name][:7] + written[name][8:]
        # What was cut out can be looked at.
        (damaged,) = broker.partition_dir(name).glob("*.damaged")
        assert damaged.read_bytes() == contents[name]
        after = await fill(broker, 1, name)
        assert (await values(broker, name))[-1:] == after


async def test_damage_in_a_closed_segment_is_told_not_skipped(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t", segment_bytes=1000)
    await fill(broker, 20, size=100)
    broker.kill()
    first = min(broker.partition_dir("t").glob("*.log"))
    content = bytearray(first.read_bytes())
    content[batch_start(content, 2) + 16] ^= 0x55  # the format's version
    first.write_bytes(content)
    broker.start()
    async with wire(broker.bootstrap) as requests:
        request = FetchRequest(100, 1, 2**20, 0, [("t", [(0, 2, 2**20)])])
        ((_, ((_, error, *_),)),) = (await requests.send(request)).topics
    assert error == CorruptRecordException.errno


async def test_a_batch_sent_again_after_a_crash_is_stored_once(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t", segment_bytes=1000)
    async with wire(broker.bootstrap) as requests:
        _, producer_id = await requests.producer_id()
        numbered = [batch((None, b"%d" % n + bytes(300)), producer=(producer_id, 0, n)) for n in range(10)]
        for data in numbered[:-1]:
            await requests.produce("t", data)
    broker.kill()
    broker.start()
    async with wire(broker.bootstrap) as requests:
        # The last two batches lie in different segments; the snapshot and the log together know both.
        assert [await requests.produce("t", data) for data in numbered[5:9]] == [(0, n) for n in range(5, 9)]
        gap = batch((None, b"x"), producer=(producer_id, 0, 10))
        assert (await requests.produce("t", gap))[0] == OutOfOrderSequenceNumber.errno
        assert await requests.produce("t", numbered[9]) == (0, 9)
        _, another = await requests.producer_id()
        assert another > producer_id
    assert len(await values(broker)) == 10


async def test_a_torn_journal_keeps_its_whole_lines(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t")
    await fill(broker, 3)
    broker.kill()
    with (broker.data_dir / "journal").open("ab") as journal:
        journal.write(b'0123abcd [["topic","half')
    broker.start()
    await create_topic(broker.bootstrap, "after")
    broker.kill()
    broker.start()
    async with admin(broker.bootstrap) as client:
        assert sorted(await client.list_topics()) == ["after", "t"]
    assert len(await values(broker)) == 3


async def test_a_damaged_journal_line_costs_that_line_only(broker: EmbeddedBroker) -> None:
    for name in ("one", "two", "three"):
        await create_topic(broker.bootstrap, name)
    broker.kill()
    journal = broker.data_dir / "journal"
    journal.write_bytes(journal.read_bytes().replace(b'"two"', b'"tvo"'))
    broker.start()
    async with admin(broker.bootstrap) as client:
        assert sorted(await client.list_topics()) == ["one", "three"]


async def commit(member: AIOKafkaConsumer) -> None:
    """Commit, as soon as the group has come together again."""
    while True:
        try:
            return await member.commit()
        except CommitFailedError:
            await member.getmany(timeout_ms=100)


async def test_members_find_their_group_again_after_a_crash(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t")
    await fill(broker, 5)
    async with consumer(broker.bootstrap, "t", group_id="g", heartbeat_interval_ms=300) as member:
        for _ in range(5):
            await member.getone()
        await member.commit()
        broker.kill()
        broker.start()
        await fill(broker, 1)
        record = await asyncio.wait_for(member.getone(), 20)
        async with asyncio.timeout(20):
            await commit(member)
    assert record.offset == 5
    async with admin(broker.bootstrap) as client:
        assert await client.list_consumer_group_offsets("g") == {TopicPartition("t", 0): OffsetAndMetadata(6, "")}


async def test_a_full_disk_refuses_writes_and_harms_nothing(broker: EmbeddedBroker) -> None:
    await create_topic(broker.bootstrap, "t")
    written = await fill(broker, 20)
    assert broker.process
    _, most = resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE)
    # The next write is cut short in the middle, as it is when the last block of a disk is taken.
    full = log_file(broker).stat().st_size + 50
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (full, most))
    async with wire(broker.bootstrap) as requests:
        refused = [await requests.produce("t", batch((None, bytes(100)))) for _ in range(3)]
    assert refused == [(KafkaStorageError.errno, -1)] * 3
    assert await values(broker) == written
    resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (most, most))
    written += await fill(broker, 5)
    assert await values(broker) == written
    broker.kill()
    broker.start()
    assert await values(broker) == written
