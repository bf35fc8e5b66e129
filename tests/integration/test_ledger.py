"""The ledger hands out each message of a partition once and in order, and has the missing ones read again."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from streams import ledger
from streams.ledger import Ledger
from streams.publisher import Publisher, declare_topics
from streams.records import TrainRequest
from streams.topics import TRAIN_REQUESTS
from tests.embedded_broker import EmbeddedBroker

PLACE = TopicPartition(TRAIN_REQUESTS.name, 0)


class Reading:
    """A ledger over a partition of ten messages, and where it was rewound to."""

    def __init__(self, bootstrap: str) -> None:
        self.rewound: list[int] = []
        self.ledger = Ledger(bootstrap, self.rewind)

    async def rewind(self, _: TopicPartition, offset: int) -> None:
        self.rewound.append(offset)

    async def read(self, *offsets: int) -> list[int]:
        """Those of these deliveries that are due, handled one after the other."""
        handled = []
        for offset in offsets:
            if await self.ledger.due(PLACE, offset):
                self.ledger.done(PLACE, offset)
                handled.append(offset)
        return handled


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    await declare_topics(broker.bootstrap)
    async with Publisher(broker.bootstrap) as publisher:
        for number in range(10):
            await publisher.publish(TRAIN_REQUESTS, TrainRequest(request_id=f"r{number}"))
    yield broker
    broker.stop()


async def test_each_message_once_and_in_order(broker: EmbeddedBroker) -> None:
    reading = Reading(broker.bootstrap)
    reading.ledger.begin({PLACE: 2})
    assert await reading.read(2, 3, 2, 3, 1, 4, 4, 5) == [2, 3, 4, 5]
    assert reading.ledger.handled(PLACE) == 6
    assert reading.rewound == []


async def test_skipped_messages_are_read_again_and_nothing_beyond_them_is_committed(broker: EmbeddedBroker) -> None:
    reading = Reading(broker.bootstrap)
    reading.ledger.begin({PLACE: 0})
    assert await reading.read(0, 5, 6, 7) == [0]
    assert reading.rewound == [1], "once, whatever was read on"
    assert reading.ledger.handled(PLACE) == 1
    assert await reading.read(1, 2, 3, 4, 5, 6, 7) == [1, 2, 3, 4, 5, 6, 7]


async def test_of_what_was_read_on_before_a_rewind_the_broker_is_asked_once(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be thousands of them, and each question takes a connection."""
    asked = []

    def reader(**settings: Any) -> AIOKafkaConsumer:
        asked.append(settings)
        return AIOKafkaConsumer(**settings)

    monkeypatch.setattr(ledger, "AIOKafkaConsumer", reader)
    reading = Reading(broker.bootstrap)
    reading.ledger.begin({PLACE: 0})
    assert await reading.read(0, *range(4, 10), *range(1, 10)) == [*range(10)]
    assert (reading.rewound, len(asked)) == ([1], 1)


async def test_a_rewind_that_got_lost_is_repeated(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Reading(broker.bootstrap)
    reading.ledger.begin({PLACE: 0})
    monkeypatch.setattr(ledger, "REWIND_SECONDS", 0.0)
    assert await reading.read(0, 5, 6) == [0]
    assert reading.rewound == [1, 1]
    await reading.ledger.rewind(PLACE.topic)
    assert reading.rewound == [1, 1, 1], "and where no message comes that would show it"


async def test_what_is_being_handled_does_not_count_as_handled(broker: EmbeddedBroker) -> None:
    reading = Reading(broker.bootstrap)
    reading.ledger.begin({PLACE: 0})
    assert [await reading.ledger.due(PLACE, offset) for offset in (0, 1, 2)] == [True] * 3
    assert reading.ledger.handled(PLACE) == 0


async def test_after_a_rebalance_what_was_handled_here_is_not_due_again(broker: EmbeddedBroker) -> None:
    reading = Reading(broker.bootstrap)
    reading.ledger.begin({PLACE: 0})
    await reading.read(0, 1, 2)
    reading.ledger.begin({PLACE: 1})  # the commit did not get through
    assert await reading.read(1, 2, 3) == [3]
    reading.ledger.begin({PLACE: 8})  # another worker went on meanwhile
    assert await reading.read(8) == [8]


async def test_a_hole_in_the_log_is_none_in_the_order(broker: EmbeddedBroker) -> None:
    reading = Reading(broker.bootstrap)
    reading.ledger.begin({PLACE: 0})
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.delete_records({PLACE: RecordsToDelete(before_offset=4)})
    await admin.close()
    assert await reading.read(4, 5) == [4, 5]
    assert reading.rewound == []
