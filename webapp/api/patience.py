"""For how long somebody who waits before a page is kept waiting for the portal; a worker waits for minutes."""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from streams.errors import PortalUnavailable

SECONDS: Final = 12.0

T = TypeVar("T")


async def soon(asked: Awaitable[T]) -> T:
    """The portal's answer. Raises `PortalUnavailable` where it has not come by then."""
    try:
        async with asyncio.timeout(SECONDS):
            return await asked
    except TimeoutError:
        raise PortalUnavailable(
            f"the portal did not answer within {SECONDS:g} s",
            hint="try again in a moment; GET /api/health says whether the portal can be reached",
        ) from None
