"""How often one address may ask the API: enough for any program that means well."""

from typing import Final

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from streams.settings import Settings
from webapp.ask import INSIDE
from webapp.errors import Error, envelope

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# They send what is to be predicted, and change nothing.
QUESTIONS: Final = "/api/model/predict"


class Rates:
    """Middleware that answers 429 to who asks too often. What our own pages ask is not counted."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._reading = RateLimitItemPerMinute(settings.api_reads)
        self._writing = RateLimitItemPerMinute(settings.api_writes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, unless there were too many of its kind."""
        address = scope["client"][0] if scope.get("client") else ""
        if scope["type"] != "http" or not scope["path"].startswith("/api/") or address == INSIDE:
            await self.app(scope, receive, send)
            return
        reads = scope["method"] in READS or scope["path"].startswith(QUESTIONS)
        kind, limit = ("reads", self._reading) if reads else ("writes", self._writing)
        if await self._limiter.hit(limit, kind, address):
            await self.app(scope, receive, send)
            return
        error = Error(
            code="too-many-requests",
            message=f"more than {limit.amount} {kind} in a minute from {address}",
            hint=f"ask again in a moment; CRASH_API_{kind.upper()} sets how many there may be",
        )
        await envelope(Request(scope), 429, error, {"Retry-After": "5"})(scope, receive, send)
