"""An app killed at any time handles every message, however early it dies and however many it has in flight."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from streams.app import StreamApp
from streams.publisher import Publisher, declare_topics
from streams.records import AuditRequest, BackfillRequest
from streams.settings import Settings
from streams.topics import AUDIT_REQUESTS, BACKFILL_REQUESTS
from tests.embedded_broker import EmbeddedBroker

MESSAGES = 120


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


async def publish(bootstrap: str) -> None:
    await declare_topics(bootstrap)
    async with Publisher(bootstrap) as publisher:
        for number in range(MESSAGES):
            request = BackfillRequest(request_id=f"r{number}", start=date(2024, 1, 1), end=date(2024, 2, 1))
            await publisher.publish(BACKFILL_REQUESTS, request)


class Worker:
    def __init__(self, broker: EmbeddedBroker, folder: Path, in_flight: int, die_after: int) -> None:
        self.folder = folder
        arguments = [broker.bootstrap, str(folder), str(in_flight), str(die_after)]
        self.process = subprocess.Popen([sys.executable, "-m", "tests.stream_app", *arguments])

    def handled(self) -> set[str]:
        path = self.folder / "handled"
        return set(path.read_text().split()) if path.exists() else set()

    def wait_until_all_are_handled(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while len(self.handled()) < MESSAGES and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.1)  # it is another process, which writes a file
        self.process.terminate()
        self.process.wait(20)


@pytest.mark.parametrize(("in_flight", "die_after"), [(1, 1), (1, 60), (4, 9)])
async def test_no_message_is_lost(broker: EmbeddedBroker, tmp_path: Path, in_flight: int, die_after: int) -> None:
    await publish(broker.bootstrap)
    dying = Worker(broker, tmp_path, in_flight, die_after)
    assert dying.process.wait(60) == -9
    heir = Worker(broker, tmp_path, in_flight, 0)
    # It waits ten seconds for the dead one's session to expire.
    heir.wait_until_all_are_handled(40)
    assert heir.handled() == {f"r{number}" for number in range(MESSAGES)}


async def test_what_was_read_and_dropped_before_the_first_commit_is_read_again(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Faust drops what it reads during a recovery or a rebalance, and seeks back; aiokafka seeks to no offset 0."""
    await publish(broker.bootstrap)
    at_work = asyncio.Event()

    async def handle(_: BackfillRequest) -> None:
        at_work.set()
        await asyncio.Event().wait()

    async with Publisher(broker.bootstrap) as publisher:
        app = StreamApp("test-app", Settings(kafka_bootstrap=broker.bootstrap, data_dir=tmp_path), publisher.publish)
        app.consume(BACKFILL_REQUESTS, BackfillRequest, "plan", handle)
        faust = app._app
        faust.finalize()
        await faust.start()
        try:
            await asyncio.wait_for(at_work.wait(), 30)
            consumer = faust.consumer
            partitions = [tp for tp in consumer.assignment() if tp.topic == BACKFILL_REQUESTS.name]
            assert any([await consumer.position(tp) for tp in partitions]), "some messages have been read"
            consumer.stop_flow()
            await consumer.wait_for_stopped_flow()
            await consumer.perform_seek()
            assert [await consumer.position(tp) for tp in partitions] == [0] * len(partitions)
        finally:
            await faust.stop()


async def test_what_is_read_again_is_delivered_again(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Faust drops what lies before the last message it has read, and so all of what a seek back was made for."""
    await publish(broker.bootstrap)
    seen: list[TopicPartition] = []

    async def handle(_: BackfillRequest) -> None:
        pass

    async with Publisher(broker.bootstrap) as publisher:
        app = StreamApp("test-app", Settings(kafka_bootstrap=broker.bootstrap, data_dir=tmp_path), publisher.publish)
        app.consume(BACKFILL_REQUESTS, BackfillRequest, "plan", handle)
        due = app._ledger.due

        async def noted(partition: TopicPartition, offset: int) -> bool:
            if offset == 0:
                seen.append(partition)
            return await due(partition, offset)

        app._ledger.due = noted  # type: ignore[method-assign]
        faust = app._app
        faust.finalize()
        await faust.start()
        try:
            async with asyncio.timeout(30):
                while sum(app._ledger.handled(partition) or 0 for partition in app._assigned()) < MESSAGES:
                    await asyncio.sleep(0.05)  # the ledger tells nobody
                first = set(seen)
                assert first
                seen.clear()
                for tp in faust.consumer.assignment():
                    if tp in first:
                        # As a seek whose partition's messages were still coming: they set Faust's mark after it.
                        await faust.consumer._seek(tp, 0)
                while set(seen) != first:
                    await asyncio.sleep(0.05)
        finally:
            await faust.stop()


async def test_a_topic_whose_messages_wait_holds_no_other_up(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Faust hands nothing on while one topic's buffer is full, and one fetch brings more than it has room for."""
    await declare_topics(broker.bootstrap)
    at_work, handled = asyncio.Event(), asyncio.Event()

    async def never(_: AuditRequest) -> None:
        at_work.set()
        await asyncio.Event().wait()

    async def handle(_: BackfillRequest) -> None:
        handled.set()

    async with Publisher(broker.bootstrap) as publisher, AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as sender:
        value = AuditRequest(run_id="a").model_dump_json().encode()
        await asyncio.gather(*[await sender.send(AUDIT_REQUESTS.name, value, partition=0) for _ in range(6000)])
        app = StreamApp("test-app", Settings(kafka_bootstrap=broker.bootstrap, data_dir=tmp_path), publisher.publish)
        app.consume(AUDIT_REQUESTS, AuditRequest, "audit", never, seconds=None)
        app.consume(BACKFILL_REQUESTS, BackfillRequest, "plan", handle)
        running = asyncio.create_task(app.run())
        await asyncio.wait_for(at_work.wait(), 30)
        request = BackfillRequest(request_id="r", start=date(2024, 1, 1), end=date(2024, 2, 1))
        await publisher.publish(BACKFILL_REQUESTS, request)
        try:
            await asyncio.wait_for(handled.wait(), 20)
        finally:
            running.cancel()
            await asyncio.wait([running])
