"""An answer that many ask for at once and that may be a few seconds old."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """Ask once, however many wait, and give the answer out for so many seconds.

    An error is not kept: it reaches the one who asked, and the next one asks again.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], seconds: Callable[[T], float]) -> None:
        """``seconds`` says for how long an answer holds; bad news may be kept shorter than good."""
        self._ask = ask
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._until = float("-inf")
        self._answer: T

    async def __call__(self) -> T:
        """The answer, asked for now if the last one is too old."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._answer = await self._ask()
                self._until = time.monotonic() + self._seconds(self._answer)
            return self._answer
