"""Keeps the child processes of a run on one machine up, and ends them all together."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from streams.errors import LocalError
from streams.local.process import Child, Part

FIRST_PAUSE = 0.2  # seconds before a restart, doubled each time …
LONGEST_PAUSE = 10.0  # … up to this, …
CALM_SECONDS = 60.0  # … and from the beginning again after the part was up that long
EARLY_SECONDS = 5.0  # a part that dies sooner than this, …
EARLY_DEATHS = 5  # … so many times in a row, will not stay up
STOP_SECONDS = 8.0  # for all parts to end by themselves
KILL_SECONDS = 1.5  # for the kernel to do away with those that did not
LOG_BYTES = 10 * 2**20  # of a log before it is rotated; as much again is kept of what was before
LOG_CHECK_SECONDS = 1.0


class State(StrEnum):
    """What a part is doing."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """A part has entered a state; ``detail`` says why, where that is not plain."""

    part: str
    state: State
    pid: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """How a part is doing: ``restarts`` since the supervisor started it, ``since`` when (UTC) it is in its state."""

    name: str
    pid: int | None
    state: State
    restarts: int
    since: datetime


class _Ward:
    """A part with its present child."""

    def __init__(self, part: Part, log: Path) -> None:
        self.part = part
        self.log = log
        self.child: Child | None = None
        self.state = State.STARTING
        self.restarts = 0
        self.since = datetime.now(UTC)


class Supervisor:
    """Starts parts in order and keeps them up until `stop`, or the end of its ``async with``.

    At most one supervisor may use a ``log_dir``: it ends whatever an earlier one has left running there.
    """

    def __init__(
        self, log_dir: Path, on_event: Callable[[Event], None] = lambda _: None, *, log_bytes: int = LOG_BYTES
    ) -> None:
        """``log_bytes`` bounds each log; as much again is kept of what was before, as ``<name>.log.1``."""
        self._log_dir = log_dir
        self._on_event = on_event
        self._log_bytes = log_bytes
        self._wards: list[_Ward] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: LocalError | None = None
        self._failed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._log_dir.mkdir(parents=True, exist_ok=True)
        self._tasks.append(asyncio.create_task(self._rotate_logs()))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, parts: Iterable[Part]) -> None:
        """Start the parts one after the other, each when the one before it is ready; may be called again.

        ``LocalError``, with the last lines of its log, for a part that dies or is not ready in time.
        """
        for part in parts:
            ward = _Ward(part, self._log_dir / f"{part.name}.log")
            self._wards.append(ward)
            ward.child = await Child.start(part, ward.log)
            self._enter(ward, State.STARTING)
            if not await ward.child.becomes_ready():
                self._enter(ward, State.FAILED)
                how = ward.child.ending or f"not ready within {part.ready_seconds:g} s"
                raise _gave_up(ward, f"{part.name} did not start: {how}")
            self._enter(ward, State.READY)
            self._tasks.append(asyncio.create_task(self._keep_up(ward, ward.child)))

    async def wait(self) -> NoReturn:
        """Wait until a part cannot be kept up, and raise its ``LocalError``."""
        await self._failed.wait()
        assert self._failure is not None  # noqa: S101
        raise self._failure

    async def stop(self) -> None:
        """End all parts, the last one first. After `STOP_SECONDS` whatever is left is killed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + STOP_SECONDS
        running = [(ward.part, ward.child) for ward in self._wards if ward.child is not None]
        ends = []
        for left, (part, child) in zip(range(len(running), 0, -1), reversed(running), strict=True):
            child.terminate()
            ends.append(asyncio.ensure_future(child.wait()))
            # Those that others lean on get their signal last, but a stubborn part delays them only so long.
            share = (deadline - loop.time()) / left
            _, late = await asyncio.wait(ends[-1:], timeout=min(part.grace_seconds, share))
            if late and part.grace_seconds < share:
                child.kill()
        if ends:
            await asyncio.wait(ends, timeout=max(0.0, deadline - loop.time()))
        for _, child in running:
            child.kill()
        if ends:
            await asyncio.wait(ends, timeout=KILL_SECONDS)
        for ward in reversed(self._wards):
            if ward.child is not None and ward.state is not State.FAILED:
                self._enter(ward, State.STOPPED)
            ward.child = None

    def status(self) -> list[Status]:
        """How each part is doing, in the order of their start."""
        return [Status(ward.part.name, _pid(ward), ward.state, ward.restarts, ward.since) for ward in self._wards]

    async def _keep_up(self, ward: _Ward, child: Child) -> None:
        loop = asyncio.get_running_loop()
        started, served, pause, early = loop.time(), True, FIRST_PAUSE, 0
        while True:
            await child.wait()
            how = child.ending or ""
            lived = loop.time() - started
            early = 0 if served and lived >= EARLY_SECONDS else early + 1
            pause = FIRST_PAUSE if lived >= CALM_SECONDS else pause
            if early >= EARLY_DEATHS:
                self._enter(ward, State.FAILED, how)
                self._fail(_gave_up(ward, f"{ward.part.name} does not stay up: {how}"))
                return
            self._enter(ward, State.RESTARTING, how)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            ward.restarts += 1
            started = loop.time()
            try:
                ward.child = child = await Child.start(ward.part, ward.log)
            except LocalError as error:
                self._enter(ward, State.FAILED, str(error))
                self._fail(error)
                return
            served = await child.becomes_ready()
            if served:
                self._enter(ward, State.READY)
            else:
                child.kill()

    def _fail(self, error: LocalError) -> None:
        self._failure = self._failure or error
        self._failed.set()

    def _enter(self, ward: _Ward, state: State, detail: str = "") -> None:
        ward.state, ward.since = state, datetime.now(UTC)
        self._on_event(Event(ward.part.name, state, _pid(ward), detail))

    async def _rotate_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            for ward in self._wards:
                await asyncio.to_thread(_rotate, ward.log, self._log_bytes)


def _pid(ward: _Ward) -> int | None:
    return ward.child.pid if ward.child and ward.state in {State.STARTING, State.READY} else None


def _gave_up(ward: _Ward, message: str) -> LocalError:
    words = ward.child.last_words() if ward.child else ""
    return LocalError(f"{message}\n{words}" if words else message, hint=f"see {ward.log}")


def _rotate(log: Path, limit: int) -> None:
    """Move what is in a log out of the way of the child that goes on writing to it."""
    with suppress(FileNotFoundError):  # it has not started yet
        if log.stat().st_size > limit:
            with suppress(OSError):  # no room for a copy: all the more reason to go on
                shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
