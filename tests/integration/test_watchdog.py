"""The watchdog tells silence from work, from idleness, and from a broker that is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streams import watchdog
from streams.errors import CrashStreamError
from streams.publisher import Publisher, declare_topics
from streams.records import BackfillRequest
from streams.topics import BACKFILL_REQUESTS
from streams.watchdog import Watchdog
from tests.embedded_broker import CLIENTS_LEAK, EmbeddedBroker

REQUEST = BackfillRequest(request_id="r", start=date(2024, 1, 1), end=date(2024, 2, 1))
NAME = BACKFILL_REQUESTS.name
EVERYTHING = {TopicPartition(NAME, partition) for partition in range(BACKFILL_REQUESTS.partitions)}


@pytest.fixture
async def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddedBroker]:
    monkeypatch.setattr(watchdog, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(watchdog, "READ_AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(watchdog, "SILENT_SECONDS", 0.5)
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    try:
        await declare_topics(broker.bootstrap)
        yield broker
    finally:
        broker.stop()


def watching(
    broker: EmbeddedBroker, assigned: set[TopicPartition] = EVERYTHING, read: list[str] | None = None
) -> Watchdog:
    async def read_again(topic: str) -> None:
        if read is not None:
            read.append(topic)

    return Watchdog(broker.bootstrap, "group", {NAME}, lambda: assigned, read_again)


async def test_messages_that_nobody_takes_are_noticed(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    with pytest.raises(CrashStreamError, match=f"group has taken no message of {NAME}"):
        await asyncio.wait_for(watching(broker).watch(), 20)


@CLIENTS_LEAK  # cancelled while one connects
async def test_a_message_at_work_is_no_silence(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    dog = watching(broker)
    with dog.busy(NAME), pytest.raises(TimeoutError):
        await asyncio.wait_for(dog.watch(), 3)


@CLIENTS_LEAK  # cancelled while one connects
async def test_an_empty_topic_is_no_silence(broker: EmbeddedBroker) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watching(broker).watch(), 3)


@CLIENTS_LEAK
async def test_a_broker_that_is_away_is_no_silence(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    broker.kill()
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watching(broker).watch(), 3)
    finally:
        broker.start()


@CLIENTS_LEAK  # cancelled while one connects
async def test_messages_of_another_process_are_its_own_business(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    elsewhere = await partition_with_messages(broker)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watching(broker, EVERYTHING - {elsewhere}).watch(), 3)


async def test_before_it_gives_up_it_has_the_topic_read_again(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    read: list[str] = []
    with pytest.raises(CrashStreamError):
        await asyncio.wait_for(watching(broker, read=read).watch(), 20)
    assert read
    assert set(read) == {NAME}


async def partition_with_messages(broker: EmbeddedBroker) -> TopicPartition:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(EVERYTHING))
    finally:
        await consumer.stop()
    return next(partition for partition, end in ends.items() if end)
