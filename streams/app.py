"""Faust apps, and how their agents take messages from a topic.

Agents take raw bytes and acknowledge by hand. Faust alone would acknowledge an event whose handler raised, and one
whose handler was cancelled by a rebalance or a stop: both would be lost.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import faust
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError
from faust.exceptions import ConsumerNotStarted
from faust.types import TP

from streams.delivery import ATTEMPT_SECONDS, Message, deliver, deliver_batch
from streams.errors import CrashStreamError
from streams.ledger import Ledger
from streams.publisher import MAX_REQUEST_BYTES, Emit
from streams.records import Record, Stage
from streams.settings import Settings
from streams.topics import Topic
from streams.transport import Transport
from streams.watchdog import Watchdog

log = structlog.get_logger()
R = TypeVar("R", bound=Record)

# Names of the consumer groups; health looks for their members.
WORKER = "crash-worker"
GOLD = "crash-gold"
TRAINER = "crash-trainer"

BATCH = 64
BATCH_SECONDS = 0.2
GATHER_SECONDS = 0.05
STOP_SECONDS = 5.0
# Faust reads on from a topic until 3,276 of its messages wait, and takes no message of any topic while 4,096 do.
FETCHED_AT_ONCE = 500


class StreamApp:
    """A Faust app of consumer group `name`, its agents, and a watchdog over them."""

    def __init__(self, name: str, settings: Settings, emit: Emit) -> None:
        self._name = name
        self._emit = emit
        self._topics: set[str] = set()
        self._clocks: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._ledger = Ledger(settings.broker, self._rewind)
        self._watchdog = Watchdog(settings.broker, name, self._topics, self._assigned, self._ledger.rewind)
        datadir = settings.data_dir / "faust" / name
        datadir.parent.mkdir(parents=True, exist_ok=True)
        self._app = faust.App(
            name,
            broker=f"kafka://{settings.broker}",
            datadir=datadir,
            store="memory://",  # the merge state is a few hundred small values, recovered from its changelog
            autodiscover=False,
            web_enabled=False,
            topic_disable_leader=True,
            topic_replication_factor=1,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=3.0,
            broker_commit_interval=1.0,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=MAX_REQUEST_BYTES,
            broker_max_poll_records=FETCHED_AT_ONCE,
            producer_max_request_size=MAX_REQUEST_BYTES,
            stream_wait_empty=False,
            # A message may be held for as long as the portal is down; it is the watchdog that judges silence.
            broker_max_poll_interval=3600.0,
        )
        self._app.transport = Transport(self._app.conf.broker_consumer, self._app, ledger=self._ledger)

    def table(self, name: str, partitions: int) -> MutableMapping[str, Any]:
        """A Faust table, to be changed only by the agent of a topic with as many partitions."""
        table: MutableMapping[str, Any] = self._app.Table(name, partitions=partitions)
        return table

    def clock(self, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run this beside the agents for as long as the app runs; where it fails, the app ends."""
        self._clocks.append(run)

    def owns(self, topic: Topic) -> bool:
        """Whether this process is the one of its group that has the first partition of `topic`."""
        return TopicPartition(topic.name, 0) in self._assigned()

    def consume(
        self,
        topic: Topic,
        record: type[R],
        stage: Stage,
        handle: Callable[[R], Awaitable[None]],
        in_flight: int = 1,
        seconds: float | None = ATTEMPT_SECONDS,
    ) -> None:
        """Add an agent that hands each message of `topic` to `handle`; up to `in_flight` of them at a time.

        One at a time keeps the order of a partition, and `handle` may change tables. An attempt at a message that takes
        longer than `seconds` is begun again.
        """

        async def one_by_one(stream: Any) -> None:
            async for event in stream.noack().events():
                message = _message(event)
                with self._watchdog.busy(topic.name):
                    if await self._ledger.due(message.place, message.offset):
                        await deliver(message, record, stage, handle, self._emit, seconds)
                        self._ledger.done(message.place, message.offset)
                event.ack()

        async def several(stream: Any) -> None:
            # Not Faust's `concurrency`: that commits past messages which are still being worked on.
            async for events in stream.noack_take(in_flight, within=GATHER_SECONDS):
                with self._watchdog.busy(topic.name):
                    due = await self._due(events)
                    await asyncio.gather(*(deliver(one, record, stage, handle, self._emit, seconds) for one in due))
                    self._done(due, events)

        agent = one_by_one if in_flight == 1 else several
        self._app.agent(self._source(topic), name=f"{stage} {topic.name}")(agent)

    def consume_batches(
        self, topic: Topic, record: type[R], stage: Stage, handle: Callable[[Sequence[R]], Awaitable[None]]
    ) -> None:
        """Add an agent that hands the messages of `topic` to `handle`, as many at a time as have come."""

        async def agent(stream: Any) -> None:
            async for events in stream.noack_take(BATCH, within=BATCH_SECONDS):
                with self._watchdog.busy(topic.name):
                    due = await self._due(events)
                    if due:
                        await deliver_batch(due, record, stage, handle, self._emit)
                    self._done(due, events)

        self._app.agent(self._source(topic), name=f"{stage} {topic.name}")(agent)

    async def _due(self, events: Sequence[Any]) -> list[Message]:
        messages = [_message(event) for event in events]
        return [message for message in messages if await self._ledger.due(message.place, message.offset)]

    def _done(self, due: Sequence[Message], events: Sequence[Any]) -> None:
        for message in due:
            self._ledger.done(message.place, message.offset)
        for event in events:
            event.ack()

    async def run(self) -> None:
        """Run until told to stop (SIGTERM, SIGINT). Raises when it ends by itself, so that it is started again."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        told = asyncio.create_task(stop.wait())
        ended = asyncio.create_task(self._run_faust())
        beside: list[asyncio.Task[None]] = [asyncio.create_task(run()) for run in (self._watchdog.watch, *self._clocks)]
        try:
            await asyncio.wait({told, ended, *beside}, return_when=asyncio.FIRST_COMPLETED)
            for running in (ended, *beside):
                if running.done():
                    running.result()
            if not told.done():
                raise CrashStreamError(f"{self._name} stopped by itself")
        finally:
            for task in (told, ended, *beside):
                task.cancel()
            # Faust may wait for ever for a consumer that once lost its broker, and whoever is silent may not stop
            # either. What is handled is committed every second, or comes again: nothing is lost by leaving.
            await asyncio.wait({asyncio.create_task(self._app.stop())}, timeout=STOP_SECONDS)

    async def _run_faust(self) -> None:
        app = self._app
        app.finalize()
        await app.start()
        log.info("started")
        await app.wait_until_stopped()
        if app.crashed:
            raise CrashStreamError(f"{self._name} crashed: {app.crash_reason!r}") from app.crash_reason

    def _assigned(self) -> set[TopicPartition]:
        try:
            return {TopicPartition(*tp) for tp in self._app.consumer.assignment()}
        except ConsumerNotStarted:
            return set()

    async def _rewind(self, partition: TopicPartition, offset: int) -> None:
        # One that has moved to another worker meanwhile is read there.
        with suppress(IllegalStateError):
            await self._app.consumer.seek(TP(*partition), offset)

    def _source(self, topic: Topic) -> Any:
        self._topics.add(topic.name)
        return self._app.topic(
            topic.name,
            partitions=topic.partitions,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
        )


def _message(event: Any) -> Message:
    message = event.message
    return Message(message.topic, message.partition, message.offset, message.key, message.value)
