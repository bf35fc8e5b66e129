"""Faust apps, and how their agents take messages from a topic.

Agents take raw bytes and acknowledge by hand. Faust alone would acknowledge an event whose handler raised, and one
whose handler was cancelled by a rebalance or a stop: both would be lost.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import faust
import structlog

from streams.delivery import Message, deliver, deliver_batch
from streams.errors import CrashStreamError
from streams.publisher import MAX_REQUEST_BYTES, Emit
from streams.records import Record, Stage
from streams.settings import Settings
from streams.topics import Topic

log = structlog.get_logger()
R = TypeVar("R", bound=Record)

# Names of the consumer groups; health looks for their members.
WORKER = "crash-worker"
GOLD = "crash-gold"

BATCH = 64
BATCH_SECONDS = 0.2


def new_app(name: str, bootstrap: str, settings: Settings) -> faust.App:
    """A Faust app of consumer group `name`; at least once, since every effect here is idempotent."""
    datadir = settings.data_dir / "faust" / name
    datadir.parent.mkdir(parents=True, exist_ok=True)
    return faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        datadir=datadir,
        store="memory://",  # the merge state is a few hundred small values, recovered from its changelog
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=True,
        topic_replication_factor=1,
        broker_session_timeout=10.0,
        broker_heartbeat_interval=3.0,
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=MAX_REQUEST_BYTES,
        producer_max_request_size=MAX_REQUEST_BYTES,
        # Messages here take seconds, and are held for hours while a portal is down.
        stream_wait_empty=False,
        broker_max_poll_interval=3600.0,
    )


def consume(
    app: faust.App,
    topic: Topic,
    record: type[R],
    stage: Stage,
    handle: Callable[[R], Awaitable[None]],
    emit: Emit,
    concurrency: int = 1,
) -> None:
    """Give `app` an agent that hands each message of `topic` to `handle`, `concurrency` at a time."""

    async def agent(stream: Any) -> None:
        async for event in stream.noack().events():
            await deliver(_message(event), record, stage, handle, emit)
            event.ack()

    app.agent(_source(app, topic), name=stage, concurrency=concurrency)(agent)


def consume_batches(
    app: faust.App,
    topic: Topic,
    record: type[R],
    stage: Stage,
    handle: Callable[[Sequence[R]], Awaitable[None]],
    emit: Emit,
) -> None:
    """Give `app` an agent that hands the messages of `topic` to `handle` as many at a time as have come."""

    async def agent(stream: Any) -> None:
        async for events in stream.noack_take(BATCH, within=BATCH_SECONDS):
            await deliver_batch([_message(event) for event in events], record, stage, handle, emit)
            for event in events:
                event.ack()

    app.agent(_source(app, topic), name=f"{stage} {topic.name}")(agent)


async def run_app(app: faust.App) -> None:
    """Run `app` until it is told to stop (SIGTERM, SIGINT); raises what it crashed of, so that it is started again."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app.finalize()
    await app.start()
    log.info("started")
    waiters = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(app.wait_until_stopped())]
    try:
        await asyncio.wait(waiters, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
        crash = app.crash_reason if app.crashed else None
        await app.stop()
    if crash or not stop.is_set():
        raise CrashStreamError(f"{app.conf.id} stopped by itself: {crash!r}")


def _source(app: faust.App, topic: Topic) -> Any:
    return app.topic(
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
