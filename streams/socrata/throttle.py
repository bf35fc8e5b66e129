"""How fast this process asks the portal: one throttle for all its requests.

Requests leave one after another, evenly spaced. The rate follows the portal as TCP follows a network: a refusal halves
it, each answer gives a little of it back. Libraries for rate limits keep a fixed rate, hence our own.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Final

from yarl import URL

# Requests a second. The portal names no figure: with an app token it throttles only what it thinks abusive, without one
# all who share our address share its patience. A portal on loopback is ours, and so much is no brake.
WITH_TOKEN: Final = 10.0
WITHOUT_TOKEN: Final = 2.0
ON_LOOPBACK: Final = 1000.0

# Of the full rate: the least that refusals leave, and what an answer gives back.
FLOOR: Final = 1 / 32
STEP: Final = 1 / 100


class Throttle:
    """At most `concurrency` requests under way, and at most `rate` begun a second; `rate` falls and recovers."""

    def __init__(self, rate: float, concurrency: int) -> None:
        self.rate = rate
        self._full = rate
        self._slots = asyncio.Semaphore(concurrency)
        self._gate = asyncio.Lock()
        self._next = self._resume = self._slowed = 0.0

    @property
    def paused(self) -> float:
        """Seconds until the portal wants to be asked again."""
        return max(0.0, self._resume - time.monotonic())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Wait for a request's turn, and hold its place until its answer is read. Gives the time at which it began."""
        async with self._slots:
            async with self._gate:
                # The portal may ask for a pause while we wait, so look again.
                while (wait := max(self._next, self._resume) - time.monotonic()) > 0:  # noqa: ASYNC110
                    await asyncio.sleep(wait)
                began = time.monotonic()
                self._next = began + 1 / self.rate
            yield began

    def slow_down(self, began: float, pause: float) -> None:
        """The portal refused a request that began at `began`, and asks all of us to wait `pause` seconds."""
        now = time.monotonic()
        # Requests under way together are refused together: that is one reason to slow down, not several.
        if began >= self._slowed:
            self.rate = max(self._full * FLOOR, self.rate / 2)
            self._slowed = now
        self._resume = max(self._resume, now + pause)

    def speed_up(self) -> None:
        """The portal answered."""
        self.rate = min(self._full, self.rate + self._full * STEP)


def polite_rate(base_url: str, app_token: str | None) -> float:
    """Requests a second that the portal at `base_url` is asked where no setting says otherwise."""
    host = URL(base_url).host or ""
    if host == "localhost" or _is_loopback(host):
        return ON_LOOPBACK
    return WITH_TOKEN if app_token else WITHOUT_TOKEN


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
