"""Answers that hold as long as Gold does not change: kept, given out to many at once, and known to browsers by ETag."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from streams.cached import Cached
from streams.storage.gold.client import GoldClient

# Gold may be this much ahead of what is shown.
LOOK_SECONDS: Final = 1.0
MOST_BYTES: Final = 64 * 1024 * 1024


class Answers:
    """Keeps answers by Gold's version, the least recently used going first once `MOST_BYTES` are kept."""

    def __init__(self, gold: GoldClient) -> None:
        self._gold = gold
        self._version = Cached(self._look, lambda _: LOOK_SECONDS)
        self._kept: OrderedDict[str, Response] = OrderedDict()
        self._bytes = 0
        self._asked: dict[str, asyncio.Future[Response]] = {}

    async def answer(self, request: Request, ask: Callable[[Request], Coroutine[Any, Any, Response]]) -> Response:
        """What `ask` answers to this request at Gold's present version. Raises what it raises, and `GoldError`."""
        tag = self._tag(request, await self._version())
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers={"ETag": tag, "Cache-Control": "private, no-cache"})
        if tag in self._kept:
            self._kept.move_to_end(tag)
            return _copy(self._kept[tag])
        if tag not in self._asked:
            # Whoever asks the same meanwhile waits for this one; it goes on though the first one leaves.
            self._asked[tag] = asyncio.ensure_future(self._ask(tag, request, ask))
        return _copy(await asyncio.shield(self._asked[tag]))

    async def _ask(
        self, tag: str, request: Request, ask: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Response:
        try:
            response = await ask(request)
        finally:
            del self._asked[tag]
        if response.status_code == 200:
            response.headers.update({"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept"})
            self._keep(tag, response)
        return response

    def _keep(self, tag: str, response: Response) -> None:
        self._kept[tag] = response
        self._bytes += len(response.body)
        while self._bytes > MOST_BYTES:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone.body)

    async def _look(self) -> int:
        (row,) = (await self._gold.query("select version from clock")).table.to_pylist()
        version: int = row["version"]
        return version

    def _tag(self, request: Request, version: int) -> str:
        asked = f"{request.url.path}?{request.url.query} {request.headers.get('accept', '')}"
        return f'W/"{version}-{blake2b(asked.encode(), digest_size=10).hexdigest()}"'


def versioned(answers: Answers) -> type[APIRoute]:
    """The class of routes (`route_class` of a router) that answer by `answers`; for reading routes without a body."""

    class VersionedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            ask = super().get_route_handler()

            async def handle(request: Request) -> Response:
                return await answers.answer(request, ask)

            return handle

    return VersionedRoute


def _copy(response: Response) -> Response:
    # Middleware adds headers to what it sends: each request gets its own.
    return Response(response.body, response.status_code, dict(response.headers))
