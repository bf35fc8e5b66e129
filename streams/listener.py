"""Listening to a topic without taking anything from it: whoever listens hears of what comes from now on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams.topics import Topic

log = structlog.get_logger()


async def beats(bootstrap: str, topic: Topic, seconds: float) -> AsyncGenerator[None, None]:
    """Yields at once, then whenever something comes to `topic`, and after every `seconds` in which nothing came.

    For those to whom a message only says that it is time to look. Without a broker they look every `seconds`.
    """
    while True:
        consumer = AIOKafkaConsumer(topic.name, bootstrap_servers=bootstrap, auto_offset_reset="latest")
        try:
            await consumer.start()
            # Where it stands is settled before the first look: what comes during that look is heard.
            for partition in consumer.assignment():
                await consumer.position(partition)
            while True:
                yield
                await consumer.getmany(timeout_ms=round(seconds * 1000))
        except (KafkaError, OSError) as error:
            log.warning("not listening", topic=topic.name, reason=str(error) or type(error).__name__)
            yield
            await asyncio.sleep(seconds)
        finally:
            with suppress(KafkaError, OSError):
                await consumer.stop()
