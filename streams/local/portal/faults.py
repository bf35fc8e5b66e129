"""What goes wrong between the portal and those who ask it: refusals, cut answers, lost connections, old rows.

The same seed gives the same faults to the same sequence of requests.
"""

import asyncio
import gzip
import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum

from aiohttp import web

from streams.errors import RequestError

CLOCK: web.AppKey[Callable[[], datetime]] = web.AppKey("clock")
"""The portal's clock: the application must have one."""

OUT_OF_DATE = web.RequestKey("out-of-date", bool)
"""Set on a request that is to be answered from the replica that lags behind."""

_DRIPS = 8
_DRIP_SECONDS = 0.1
_DRIP_BYTES = 5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Kind(StrEnum):
    """What may happen to a request."""

    THROTTLED = "429"
    THROTTLED_FOR_SECONDS = "429-seconds"
    THROTTLED_UNTIL = "429-date"
    INTERNAL_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503"
    TIMEOUT = "408"
    ACCEPTED = "202"
    """An empty body. The same question is answered when it is asked again."""
    SHORT_BODY = "short-body"
    """The connection closes before as many bytes came as the Content-Length says."""
    SHORT_GZIP = "short-gzip"
    """The Content-Length is that of half the body: only gzip, or the JSON, tells."""
    BROKEN_JSON = "broken-json"
    """A 200 whose array does not end."""
    NO_ARRAY = "no-array"
    """A 200 with an object that says there was an error."""
    RESET = "reset"
    """The connection is reset before any byte."""
    DRIP = "drip"
    """The whole answer, its first bytes a few at a time, over about a second."""
    STALE = "stale"
    """An earlier state of the tables, with `X-SODA2-Data-Out-Of-Date`."""


class Faults:
    """Decides by the count of requests which of ``kinds`` happens to each, if any.

    ``rate`` is the share of requests at fault, from 0 to 1; it may be changed at any time. ``happened`` counts the
    faults so far. Raises :class:`RequestError` for a rate or a kind that cannot be.
    """

    def __init__(self, seed: int, rate: float, kinds: Iterable[Kind | str] = Kind) -> None:
        if not 0 <= rate <= 1:
            raise RequestError(f"a rate of faults of {rate}", field="rate", hint="give a share from 0 to 1")
        try:
            self.kinds = tuple(map(Kind, kinds))
        except ValueError as error:
            raise RequestError(f"no kind of fault: {error}", field="kinds", hint=f"one of {', '.join(Kind)}") from None
        if not self.kinds:
            raise RequestError("faults of no kind", field="kinds", hint="name one, or set the rate to 0")
        self.rate = rate
        self.happened: Counter[Kind] = Counter()
        self._seed = seed
        self._requests = 0
        self._accepted: set[str] = set()

    @classmethod
    def parse(cls, text: str) -> "Faults":
        """Faults of every kind from ``SEED:RATE``. Raises :class:`RequestError`."""
        seed, _, rate = text.partition(":")
        try:
            return cls(int(seed), float(rate))
        except ValueError:
            raise RequestError(f"{text!r} is not SEED:RATE", field="--faults", hint="for example 7:0.1") from None

    def stop(self) -> None:
        """Let every request from now on be answered as it should."""
        self.rate = 0.0

    def next(self, question: str) -> Kind | None:
        """What happens to the next request, which asks ``question``."""
        self._requests += 1
        if question in self._accepted:
            self._accepted.discard(question)
            return None
        chance = random.Random(f"{self._seed} {self._requests}")  # noqa: S311 - nothing secret
        if chance.random() >= self.rate:
            return None
        return chance.choice(self.kinds)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer, or let the handler answer, as the fault wants it. What is no 200 is never damaged further."""
        kind = self.next(request.path_qs)
        if kind is None:
            return await handler(request)
        if kind is Kind.RESET:
            self.happened[kind] += 1
            return _reset(request)
        if kind in _REFUSALS:
            self.happened[kind] += 1
            if kind is Kind.ACCEPTED:
                self._accepted.add(request.path_qs)
            return _REFUSALS[kind](request)
        request[OUT_OF_DATE] = kind is Kind.STALE
        answer = await handler(request)
        if kind is Kind.STALE:
            self.happened[kind] += answer.headers.get("X-SODA2-Data-Out-Of-Date") == "true"
            return answer
        if answer.status != 200 or not isinstance(answer, web.Response):
            return answer
        self.happened[kind] += 1
        return await _DAMAGES[kind](request, answer)


def _throttled(_: web.Request) -> web.Response:
    return _error(429, "too-many-requests", "You have been throttled")


def _throttled_for_seconds(request: web.Request) -> web.Response:
    answer = _throttled(request)
    answer.headers["Retry-After"] = "1"
    return answer


def _throttled_until(request: web.Request) -> web.Response:
    answer = _throttled(request)
    # By the portal's clock, which need not be the client's.
    answer.headers["Retry-After"] = format_datetime(request.app[CLOCK]() + timedelta(seconds=1), usegmt=True)
    return answer


def _internal_error(_: web.Request) -> web.Response:
    return web.json_response({"error": True, "message": "Internal error", "status": 500}, status=500)


def _bad_gateway(_: web.Request) -> web.Response:
    html = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
    return web.Response(status=502, text=html, content_type="text/html")


def _unavailable(_: web.Request) -> web.Response:
    return web.Response(status=503, text="Service Unavailable")


def _timeout(_: web.Request) -> web.Response:
    return _error(408, "request-timeout", "Request timed out")


def _accepted(_: web.Request) -> web.Response:
    return web.Response(status=202)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"code": code, "error": True, "message": message}, status=status)


def _reset(request: web.Request) -> web.Response:
    if (transport := request.transport) is not None:
        # A socket that does not linger ends with a reset, not with an orderly end.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _short_body(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _body(answer)
    cut = await _begun(request, answer, len(body))
    cut.force_close()
    await cut.write(body[: len(body) // 2])
    return cut


async def _short_gzip(_: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _body(answer)
    return web.Response(body=body[: len(body) // 2], headers=answer.headers)


async def _broken_json(_: web.Request, answer: web.Response) -> web.StreamResponse:
    zipped = answer.headers.get("Content-Encoding") == "gzip"
    plain = gzip.decompress(_body(answer)) if zipped else _body(answer)
    unclosed = plain.rstrip()[:-1]
    return web.Response(body=gzip.compress(unclosed, mtime=0) if zipped else unclosed, headers=answer.headers)


async def _no_array(_: web.Request, answer: web.Response) -> web.StreamResponse:
    return web.json_response({"error": True, "message": "Internal error", "status": 500})


async def _drip(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _body(answer)
    slow = await _begun(request, answer, len(body))
    for start in range(0, _DRIPS * _DRIP_BYTES, _DRIP_BYTES):
        await slow.write(body[start : start + _DRIP_BYTES])
        await asyncio.sleep(_DRIP_SECONDS)
    await slow.write(body[_DRIPS * _DRIP_BYTES :])
    return slow


async def _begun(request: web.Request, answer: web.Response, length: int) -> web.StreamResponse:
    """The head of the answer, sent."""
    begun = web.StreamResponse(headers=answer.headers)
    begun.content_length = length
    await begun.prepare(request)
    return begun


def _body(answer: web.Response) -> bytes:
    body = answer.body
    return bytes(body) if isinstance(body, bytes | bytearray) else b""


_REFUSALS: dict[Kind, Callable[[web.Request], web.Response]] = {
    Kind.THROTTLED: _throttled,
    Kind.THROTTLED_FOR_SECONDS: _throttled_for_seconds,
    Kind.THROTTLED_UNTIL: _throttled_until,
    Kind.INTERNAL_ERROR: _internal_error,
    Kind.BAD_GATEWAY: _bad_gateway,
    Kind.UNAVAILABLE: _unavailable,
    Kind.TIMEOUT: _timeout,
    Kind.ACCEPTED: _accepted,
}
_DAMAGES: dict[Kind, Callable[[web.Request, web.Response], Awaitable[web.StreamResponse]]] = {
    Kind.SHORT_BODY: _short_body,
    Kind.SHORT_GZIP: _short_gzip,
    Kind.BROKEN_JSON: _broken_json,
    Kind.NO_ARRAY: _no_array,
    Kind.DRIP: _drip,
}
