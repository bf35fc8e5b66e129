"""Activities that run one at a time, each from one of its steps to the next."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

_current: ContextVar["Activity"] = ContextVar("activity")


class Killed(BaseException):
    """The process dies here: no handler of ours catches it."""


class Activity:
    """A coroutine that stands still at every step until it is let go on."""

    def __init__(self, stage: str, work: Coroutine[Any, Any, None]) -> None:
        self.stage = stage
        self._go, self._stands = asyncio.Event(), asyncio.Event()
        self._task = asyncio.create_task(self._run(work))
        self._task.add_done_callback(lambda _: self._stands.set())

    @property
    def done(self) -> bool:
        return self._task.done()

    async def advance(self) -> None:
        """Let it run to its next step, or to its end. Raises what ends it, `Killed` among it."""
        await self._stands.wait()  # it may not have come to its first step yet
        if not self.done:
            self._stands.clear()
            self._go.set()
            await self._stands.wait()
        if self.done:
            self._task.result()

    async def end(self) -> None:
        """End it where it stands."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def stand(self) -> None:
        self._stands.set()
        await self._go.wait()
        self._go.clear()

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        _current.set(self)
        try:
            await self.stand()
        except asyncio.CancelledError:
            work.close()
            raise
        await work


class Steps:
    """Counts the steps of each stage; `at` is told of each, and may raise `Killed`."""

    def __init__(self, at: Callable[[Activity, int], None]) -> None:
        self.count: Counter[str] = Counter()
        self._at = at

    async def step(self) -> None:
        """Stand still here, where an activity calls this."""
        activity = _current.get(None)
        if activity is None:
            return
        await activity.stand()
        self.count[activity.stage] += 1
        self._at(activity, self.count[activity.stage])
