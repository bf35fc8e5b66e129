"""Delivering a message to its handler, so that no event is lost and none blocks the rest for ever.

- It counts as done only after its handler has returned: a kill, a rebalance or a stop in between delivers it again.
- A retriable error holds it, and with it its partition's order, and tries again with backoff for as long as it takes.
- Any other error sends it to `dead-letters` with its bytes, and the next one goes on.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from aiokafka import TopicPartition
from structlog.contextvars import bound_contextvars

from streams.errors import CrashStreamError, PortalUnavailable
from streams.publisher import Emit
from streams.records import DeadLetter, Failed, Record, RunEvent, Stage
from streams.topics import DEAD_LETTERS, RUN_EVENTS

log = structlog.get_logger()
R = TypeVar("R", bound=Record)
T = TypeVar("T")

FIRST_DELAY = 0.2  # seconds
LONGEST_DELAY = 30.0
MESSAGE_LENGTH = 2000
# A message may be far larger than what its broker took of it, compressed. A letter, which carries it as base64, must
# get through.
KEPT_VALUE = 1024 * 1024
KEPT_KEY = 128 * 1024
# No page and no month takes that long; what does has been left without an answer by a part that was restarted.
ATTEMPT_SECONDS = 300.0


@dataclass(frozen=True)
class Message:
    """A message as the broker has it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def place(self) -> TopicPartition:
        """The partition it is in."""
        return TopicPartition(self.topic, self.partition)


async def deliver(
    message: Message,
    record: type[R],
    stage: Stage,
    handle: Callable[[R], Awaitable[None]],
    emit: Emit,
    seconds: float | None = ATTEMPT_SECONDS,
) -> None:
    """Hand one message to `handle`; returns when it is done or in the dead letters. An attempt has so many seconds."""
    decoded: R | None = None
    try:
        decoded = record.decode(message.value)
        with bound_contextvars(stage=stage, **_names(decoded)):
            await retry(partial(handle, decoded), seconds)
    except Exception as error:
        await retry(partial(bury, message, decoded, stage, error, emit))


async def deliver_batch(
    messages: Sequence[Message],
    record: type[R],
    stage: Stage,
    handle: Callable[[Sequence[R]], Awaitable[None]],
    emit: Emit,
) -> None:
    """Hand messages to `handle` together; where that fails, one by one, so that only the culprit is buried."""
    try:
        decoded = [record.decode(message.value) for message in messages]
        with bound_contextvars(stage=stage):
            await retry(partial(handle, decoded))
    except Exception:
        for message in messages:
            await deliver(message, record, stage, lambda one: handle([one]), emit)


async def retry(attempt: Callable[[], Awaitable[T]], seconds: float | None = ATTEMPT_SECONDS) -> T:
    """What `attempt` returns, once it succeeds; raises only what is not retriable."""
    failures = 0
    while True:
        try:
            async with asyncio.timeout(seconds):
                return await attempt()
        except (CrashStreamError, TimeoutError) as error:
            if isinstance(error, CrashStreamError) and not error.retriable:
                raise
            failures += 1
            delay = _delay(failures, error)
            log.warning(
                "held", error=type(error).__name__, reason=str(error), attempt=failures, retry_in=round(delay, 1)
            )
            await asyncio.sleep(delay)


def _delay(failures: int, error: Exception) -> float:
    """Exponential with full jitter, in seconds; never earlier than the portal asked for."""
    delay = random.uniform(0, min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(failures, 12)))  # noqa: S311  not a secret
    asked = error.retry_after if isinstance(error, PortalUnavailable) else None
    return max(delay, asked or 0.0)


async def bury(message: Message, decoded: Record | None, stage: Stage, error: Exception, emit: Emit) -> None:
    """Send a message to the dead letters, and tell its run."""
    names = _names(decoded) if decoded else {}
    known = isinstance(error, CrashStreamError)
    if known:
        log.error(
            "dead letter", stage=stage, error=type(error).__name__, reason=str(error), topic=message.topic, **names
        )
    else:
        # A defect of ours: the one place where a traceback helps.
        log.error("dead letter", stage=stage, topic=message.topic, exc_info=error, **names)
    letter = DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        stage=stage,
        error=type(error).__name__,
        message=str(error)[:MESSAGE_LENGTH] + _what_is_cut(message),
        field=error.field if isinstance(error, CrashStreamError) else None,
        run_id=names.get("run_id"),
        key=message.key and message.key[:KEPT_KEY],
        value=message.value and message.value[:KEPT_VALUE],
    )
    await emit(DEAD_LETTERS, letter)
    if letter.run_id:
        failed = Failed(
            stage=stage,
            page_id=names.get("page_id"),
            month=names.get("month"),
            error=f"{letter.error}: {letter.message}",
        )
        await emit(RUN_EVENTS, RunEvent(run_id=letter.run_id, event=failed))


def _what_is_cut(message: Message) -> str:
    key, value = len(message.key or b""), len(message.value or b"")
    if key <= KEPT_KEY and value <= KEPT_VALUE:
        return ""
    return f" (key and value of {key:,} and {value:,} bytes are cut to {KEPT_KEY:,} and {KEPT_VALUE:,})"


def _names(record: Record) -> dict[str, str]:
    """What logs and dead letters call a record by: its run, its page, its month."""
    run_id = getattr(record, "run_id", None) or getattr(record, "request_id", None)
    names = {"run_id": run_id, "page_id": getattr(record, "page_id", None), "month": getattr(record, "month", None)}
    return {name: value for name, value in names.items() if value is not None}
