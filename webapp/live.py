"""What happens in the service, as it happens: one listener on the broker for all who watch."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from streams.topics import CRASHES_SCORED, DEAD_LETTERS, RUN_EVENTS, TRAIN_EVENTS, Topic

log = structlog.get_logger()

# By the name under which a watcher hears of them.
HEARD: Final[dict[str, Topic]] = {
    "run": RUN_EVENTS,
    "scored": CRASHES_SCORED,
    "training": TRAIN_EVENTS,
    "dead-letter": DEAD_LETTERS,
}
NAMES: Final = {topic.name: name for name, topic in HEARD.items()}
# Bytes of messages are for who asks for a dead letter; here it is news.
LEFT_OUT: Final = {"value", "key"}
WAITING: Final = 500
AGAIN_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Event:
    """Something that happened. `missed` says how many before it a slow watcher did not get."""

    name: str
    data: dict[str, Any]
    missed: int = 0


class Watcher:
    """The events that one watcher has yet to take; of those that nobody takes, the oldest go."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue(WAITING)
        self._missed = 0

    def put(self, event: Event) -> None:
        """Add an event, in place of the oldest where there are too many."""
        if self._queue.full():
            self._queue.get_nowait()
            self._missed += 1
        self._queue.put_nowait(event)

    async def get(self) -> Event:
        """The next event."""
        event = await self._queue.get()
        missed, self._missed = self._missed, 0
        return Event(event.name, event.data, missed)


class Live:
    """Listens to the broker while somebody watches."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._watchers: set[Watcher] = set()
        self._listening: asyncio.Task[None] | None = None

    async def watch(self) -> AsyncGenerator[Event, None]:
        """The events from now on, for as long as it is asked for the next one."""
        watcher = Watcher()
        self._watchers.add(watcher)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        try:
            while True:
                yield await watcher.get()
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                listening, self._listening = self._listening, None
                listening.cancel()

    async def _listen(self) -> None:
        while True:
            topics = [topic.name for topic in HEARD.values()]
            consumer = AIOKafkaConsumer(*topics, bootstrap_servers=self._bootstrap, auto_offset_reset="latest")
            try:
                await consumer.start()
                async for message in consumer:
                    self._tell(HEARD[NAMES[message.topic]], message.value)
            except (KafkaError, OSError) as error:
                log.warning("not listening", reason=str(error) or type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
            finally:
                with suppress(KafkaError, OSError):
                    await consumer.stop()

    def _tell(self, topic: Topic, value: bytes | None) -> None:
        try:
            record = topic.record.model_validate_json(value or b"")
        except ValidationError:
            return  # whoever takes it makes a dead letter of it, and that is heard
        event = Event(NAMES[topic.name], record.model_dump(mode="json", exclude=LEFT_OUT))
        for watcher in self._watchers:
            watcher.put(event)
