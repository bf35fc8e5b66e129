"""Publishing records to topics: awaited until the broker has them, so that nothing is acknowledged too early."""

import asyncio
from types import TracebackType
from typing import Protocol, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError, for_code

from streams.errors import BrokerUnavailable, RequestError
from streams.records import Record
from streams.topics import TOPICS, Topic

MAX_REQUEST_BYTES = 2 * 1024 * 1024


class Emit(Protocol):
    """How an agent publishes. Returns when the broker has the record; raises `BrokerUnavailable`."""

    async def __call__(self, topic: Topic, record: Record) -> None:
        """Publish `record` under the key that `topic` names."""


class Republish(Protocol):
    """How a message is published again: see `Publisher.republish`."""

    async def __call__(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Publish these bytes to the topic of this name."""


class Publisher:
    """An idempotent producer of records, to be entered with ``async with``; it connects when first needed."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def publish(self, topic: Topic, record: Record) -> None:
        """Publish `record` under the key that `topic` names, and wait until the broker has it.

        Raises `BrokerUnavailable`.
        """
        key = str(getattr(record, topic.key)).encode()
        try:
            producer = await self._connected()
            await producer.send_and_wait(topic.name, record.encode(), key=key)
        except (KafkaError, OSError) as error:
            raise unreachable(self._bootstrap, error) from None

    async def republish(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Publish bytes as they are, to the partition of their key, and wait until the broker has them.

        Raises `RequestError` for what no broker takes, and `BrokerUnavailable`.
        """
        if key is None and value is None:
            raise RequestError("the message has neither key nor value", field="value", hint="there is nothing in it")
        try:
            producer = await self._connected()
            await producer.send_and_wait(topic, value, key=key)
        except MessageSizeTooLargeError:
            size = len(key or b"") + len(value or b"")
            raise RequestError(
                f"{topic} takes no message of {size:,} bytes",
                field="value",
                hint="publish what it asks for in smaller parts, or raise the topic's max.message.bytes",
            ) from None
        except (KafkaError, OSError) as error:
            raise unreachable(self._bootstrap, error) from None

    async def _connected(self) -> AIOKafkaProducer:
        async with self._connecting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    enable_idempotence=True,
                    acks="all",
                    compression_type="gzip",
                    max_request_size=MAX_REQUEST_BYTES,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer


async def declare_topics(bootstrap: str, replication: int = 1) -> None:
    """Create every topic that is not there yet. Raises `BrokerUnavailable`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        new = [NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.configs) for topic in TOPICS]
        answer = await admin.create_topics(new)
        for name, code, *_ in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise BrokerUnavailable(f"the broker refuses the topic {name}: {for_code(code).__name__}")
    except (KafkaError, OSError) as error:
        raise unreachable(bootstrap, error) from None
    finally:
        await admin.close()


def unreachable(bootstrap: str, error: BaseException) -> BrokerUnavailable:
    """The error that names the address and the setting behind it."""
    return BrokerUnavailable(
        f"no Kafka broker answers at {bootstrap}: {str(error) or type(error).__name__}",
        hint="check CRASH_KAFKA_BOOTSTRAP and that the broker is up",
    )


async def publish_once(bootstrap: str, topic: Topic, record: Record) -> None:
    """Publish one record, for whoever has no other use for a `Publisher`; the topics are there afterwards."""
    await declare_topics(bootstrap)
    async with Publisher(bootstrap) as publisher:
        await publisher.publish(topic, record)
