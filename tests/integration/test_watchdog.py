"""The watchdog tells silence from work, from idleness, and from a broker that is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from streams import watchdog
from streams.errors import CrashStreamError
from streams.publisher import Publisher, declare_topics
from streams.records import BackfillRequest
from streams.topics import BACKFILL_REQUESTS
from streams.watchdog import Watchdog
from tests.embedded_broker import CLIENTS_LEAK, EmbeddedBroker

REQUEST = BackfillRequest(request_id="r", start=date(2024, 1, 1), end=date(2024, 2, 1))
NAME = BACKFILL_REQUESTS.name


@pytest.fixture
async def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EmbeddedBroker]:
    monkeypatch.setattr(watchdog, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(watchdog, "SILENT_SECONDS", 0.5)
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    try:
        await declare_topics(broker.bootstrap)
        yield broker
    finally:
        broker.stop()


async def test_messages_that_nobody_takes_are_noticed(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    with pytest.raises(CrashStreamError, match=f"group has taken no message of {NAME}"):
        await asyncio.wait_for(Watchdog(broker.bootstrap, "group", {NAME}).watch(), 20)


async def test_a_message_at_work_is_no_silence(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    dog = Watchdog(broker.bootstrap, "group", {NAME})
    with dog.busy(NAME), pytest.raises(TimeoutError):
        await asyncio.wait_for(dog.watch(), 3)


async def test_an_empty_topic_is_no_silence(broker: EmbeddedBroker) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Watchdog(broker.bootstrap, "group", {NAME}).watch(), 3)


@CLIENTS_LEAK
async def test_a_broker_that_is_away_is_no_silence(broker: EmbeddedBroker) -> None:
    async with Publisher(broker.bootstrap) as publisher:
        await publisher.publish(BACKFILL_REQUESTS, REQUEST)
    broker.kill()
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Watchdog(broker.bootstrap, "group", {NAME}).watch(), 3)
    finally:
        broker.start()
