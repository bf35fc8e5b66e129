"""Publishing records to topics: awaited until the broker has them, so that nothing is acknowledged too early."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from streams.errors import BrokerUnavailable
from streams.records import Record
from streams.topics import TOPICS, Topic

MAX_REQUEST_BYTES = 8 * 1024 * 1024


class Emit(Protocol):
    """How an agent publishes. Returns when the broker has the record; raises `BrokerUnavailable`."""

    async def __call__(self, topic: Topic, record: Record) -> None:
        """Publish `record` under the key that `topic` names."""


class Publisher:
    """An idempotent producer of records."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    @classmethod
    @asynccontextmanager
    async def connect(cls, bootstrap: str) -> AsyncIterator["Publisher"]:
        """A publisher with a producer of its own. Raises `BrokerUnavailable`."""
        producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            enable_idempotence=True,
            acks="all",
            compression_type="gzip",
            max_request_size=MAX_REQUEST_BYTES,
        )
        try:
            await producer.start()
        except (KafkaError, OSError) as error:
            raise unreachable(bootstrap, error) from None
        try:
            yield cls(producer)
        finally:
            await producer.stop()

    async def publish(self, topic: Topic, record: Record) -> None:
        """Publish `record` under the key that `topic` names, and wait until the broker has it."""
        key = str(getattr(record, topic.key)).encode()
        try:
            await self._producer.send_and_wait(topic.name, record.encode(), key=key)
        except KafkaError as error:
            raise BrokerUnavailable(f"cannot publish to {topic.name}: {error!r}") from None


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
