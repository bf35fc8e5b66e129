"""What is not to be trained any more, heard while a training is under way: its own topic is read on beside it."""

import asyncio
from contextlib import suppress
from typing import Final, Never

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from streams.errors import MalformedMessage
from streams.records import TrainRequest
from streams.topics import TRAIN_REQUESTS

log = structlog.get_logger()

RETRY_SECONDS: Final = 1.0


class Cancellations:
    """The requests that somebody has cancelled, as far back as the topic is kept."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._cancelled: set[str] = set()

    def __contains__(self, request_id: object) -> bool:
        return request_id in self._cancelled

    async def listen(self) -> Never:
        """Read the topic from its beginning, and for as long as the process runs."""
        while True:
            # Without a group: every trainer hears all of it, and takes nothing from the others.
            consumer = AIOKafkaConsumer(
                TRAIN_REQUESTS.name, bootstrap_servers=self._bootstrap, auto_offset_reset="earliest"
            )
            try:
                await consumer.start()
                async for message in consumer:
                    with suppress(MalformedMessage):  # whoever trains buries it
                        self._hear(TrainRequest.decode(message.value))
            except (KafkaError, OSError) as error:
                log.warning("not listening", topic=TRAIN_REQUESTS.name, reason=str(error) or type(error).__name__)
            finally:
                with suppress(KafkaError, OSError):
                    await consumer.stop()
            await asyncio.sleep(RETRY_SECONDS)

    def _hear(self, request: TrainRequest) -> None:
        if request.cancel:
            self._cancelled.add(request.request_id)
