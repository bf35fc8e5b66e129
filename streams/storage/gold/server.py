"""Gold over HTTP: SQL in, Arrow out.

::

    POST /query    {"sql", "limit"?, "parameters"?, "lane"?}   an Arrow IPC stream, and `X-Truncated: true|false`
    GET  /lineage/{table}/{key}   where a row came from: `streams.lineage.trail.Lineage` as JSON
    GET  /status   rows by table, how far the data goes, size, version, as JSON
    GET  /metrics  of this process, for Prometheus
    GET  /healthz  200 while the database answers
    POST /rebuild  load every month whole again: 202; needs the API token
    GET  /rebuild  how far that is, as JSON
    POST /wipe     take out all that Silver can give again: the rows that were there, by table; needs the API token

A failure is JSON: `{"code", "message", "hint", "field"}`, with 400 for what is refused, 404 for a row that
is not there, 408 for too slow, 413 for too large and 503 while Gold is busy.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final, Protocol, TypeVar

import pyarrow as pa
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.errors import CrashStreamError, GoldBusy, GoldDenied, QueryLimit, QueryRefused, RowMissing
from streams.lineage.trace import trace
from streams.storage.gold.answer import Answer, Lane
from streams.storage.gold.gold import MOST_ROWS, Gold
from streams.storage.objects import Objects

T = TypeVar("T")

ARROW: Final = "application/vnd.apache.arrow.stream"
_GOLD: Final = web.AppKey("gold", Gold)

# Beyond this many at once and this many in waiting, somebody is told to come again. What people write in SQL may take
# long; it has a lane of its own, so that pages and the service never wait behind it.
_THREADS: Final[Mapping[Lane, int]] = {"service": 4, "people": 2}
_WAITING: Final = 64
# Each reads a whole month of Silver.
_TRACES: Final = 2

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Question(BaseModel):
    """Body of `POST /query`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sql: str = Field(min_length=1, max_length=100_000)
    limit: int = Field(10_000, ge=1, le=MOST_ROWS)
    parameters: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    lane: Lane = "service"


class _Pool:
    """Threads of the readers: few, and their own, so that a crowd of readers takes none from the writer."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="gold-reader")
        self._asked = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._asked >= self._threads + _WAITING:
            raise GoldBusy(f"{self._asked} queries are running or waiting", hint="ask again in a moment")
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._asked -= 1

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


_POOLS: Final[web.AppKey[Mapping[Lane, _Pool]]] = web.AppKey("pools")
_OBJECTS: Final[web.AppKey[Objects]] = web.AppKey("objects")
_TRACING: Final = web.AppKey("tracing", asyncio.Semaphore)
_TOKEN: Final[web.AppKey[str | None]] = web.AppKey("token")


class Rebuild(Protocol):
    """What `POST /rebuild` begins; one at a time."""

    def start(self) -> None:
        """Begin, unless it is under way."""

    def progress(self) -> Mapping[str, Any]:
        """How far it is, as plain JSON."""


_REBUILD: Final[web.AppKey[Rebuild]] = web.AppKey("rebuild")


def create_app(
    gold: Gold, rebuild: Rebuild | None = None, token: str | None = None, objects: Objects | None = None
) -> web.Application:
    """The application; whoever starts it keeps its parts, and closes them.

    `token` is asked for by what changes state; `objects` is where rows are traced to.
    """
    app = web.Application(middlewares=[_failures])
    app[_GOLD] = gold
    app[_POOLS] = {lane: _Pool(threads) for lane, threads in _THREADS.items()}
    app.on_cleanup.append(_close_pools)
    app.add_routes([web.post("/query", _query), web.get("/status", _status), web.get("/healthz", _healthz)])
    app.add_routes([web.get("/metrics", _metrics)])
    if objects is not None:
        app[_OBJECTS] = objects
        app[_TRACING] = asyncio.Semaphore(_TRACES)
        app.add_routes([web.get("/lineage/{table}/{key}", _lineage)])
    if rebuild is not None:
        app[_REBUILD] = rebuild
        app[_TOKEN] = token
        app.add_routes([web.post("/rebuild", _start_rebuild), web.get("/rebuild", _rebuild), web.post("/wipe", _wipe)])
    return app


async def _close_pools(app: web.Application) -> None:
    for pool in app[_POOLS].values():
        pool.close()


async def _query(request: web.Request) -> web.StreamResponse:
    question = _question(await request.read())
    gold = request.app[_GOLD]

    def answer() -> tuple[Answer, bytes]:
        found = gold.query(question.sql, limit=question.limit, parameters=question.parameters)
        return found, _stream(found.table)

    found, body = await request.app[_POOLS][question.lane].run(answer)
    headers = {"X-Truncated": str(found.truncated).lower()}
    return web.Response(body=body, content_type=ARROW, headers=headers)


async def _lineage(request: web.Request) -> web.StreamResponse:
    app = request.app

    async def ask(sql: str, *, parameters: Mapping[str, object]) -> Answer:
        return await app[_POOLS]["service"].run(lambda: app[_GOLD].query(sql, parameters=parameters))

    async with app[_TRACING]:
        lineage = await trace(ask, app[_OBJECTS], request.match_info["table"], request.match_info["key"])
    return web.Response(text=lineage.model_dump_json(), content_type="application/json")


async def _status(request: web.Request) -> web.StreamResponse:
    status = await request.app[_POOLS]["service"].run(request.app[_GOLD].status)
    through = status.data_through.isoformat() if status.data_through else None
    return web.json_response(asdict(status) | {"data_through": through})


async def _healthz(request: web.Request) -> web.StreamResponse:
    """Not in the pool: readers in a queue are no illness of the database."""
    await asyncio.to_thread(request.app[_GOLD].applied)
    return web.json_response({"status": "ok"})


async def _metrics(request: web.Request) -> web.StreamResponse:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _start_rebuild(request: web.Request) -> web.StreamResponse:
    _check_token(request)
    request.app[_REBUILD].start()
    return web.json_response(request.app[_REBUILD].progress(), status=202)


async def _wipe(request: web.Request) -> web.StreamResponse:
    _check_token(request)
    if request.app[_REBUILD].progress()["state"] == "running":
        # It would go on to fill what is emptied, but for the months that it has done.
        raise GoldBusy("Gold is being rebuilt, and is not wiped meanwhile", hint="wait until the rebuild is done")
    return web.json_response({"rows": await asyncio.to_thread(request.app[_GOLD].wipe)})


def _check_token(request: web.Request) -> None:
    token = request.app[_TOKEN]
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token is None or not secrets.compare_digest(given.encode(), token.encode()):
        raise GoldDenied(
            "Gold is not changed for somebody without its API token",
            field="CRASH_API_TOKEN",
            hint="set CRASH_API_TOKEN to the same secret for the gold process and for whoever asks it",
        )


async def _rebuild(request: web.Request) -> web.StreamResponse:
    return web.json_response(request.app[_REBUILD].progress())


def _question(body: bytes) -> Question:
    try:
        return Question.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else None
        raise QueryRefused(
            f"{name or 'body'}: {first['msg']}", field=name, hint='send {"sql", "limit"?, "parameters"?} as JSON'
        ) from None


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@web.middleware
async def _failures(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except CrashStreamError as error:
        return web.json_response(_described(error), status=_code(error))


def _described(error: CrashStreamError) -> Mapping[str, str | None]:
    return {
        "code": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "field": error.field,
    }


def _code(error: CrashStreamError) -> int:
    match error:
        case QueryRefused():
            return 400
        case GoldDenied():
            return 403
        case RowMissing():
            return 404
        case QueryLimit():
            return 413 if error.field == "memory" else 408
        case _:
            return 503
