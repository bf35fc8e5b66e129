"""SODA 2.1 over HTTP: `/resource/<id>.json` and `/api/views/<id>.json`."""

import asyncio
import gzip
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from streams.local.portal.datasets import BY_ID, DESCRIPTIONS, SYSTEM_COLUMNS, Dataset, Type, heading
from streams.local.portal.faults import CLOCK, OUT_OF_DATE, Faults, Kind
from streams.local.portal.publication import Publication
from streams.local.portal.query import Query, compile_query
from streams.local.portal.replica import Replica
from streams.local.portal.soql import SoqlError
from streams.local.portal.tables import Tables

LONGEST_URL = 8 * 1024
_THREADS = 4

_log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app(tables: Tables, *, app_token: str | None = None, faults: Faults | None = None) -> web.Application:
    """The portal as an application.

    With ``app_token``, a request that sends another token is refused. With ``faults``, requests go wrong as they say;
    the stale state of :attr:`Kind.STALE` is then that of before what is written from now on.
    """
    replica = tables.replica() if faults and Kind.STALE in faults.kinds else None
    portal = _Portal(tables, replica, app_token)
    middlewares = [faults.middleware, portal.guard] if faults else [portal.guard]
    # The server itself must let long URLs in, so that they are answered as the portal does.
    app = web.Application(middlewares=middlewares, handler_args={"max_line_size": 1 << 20})
    app[CLOCK] = tables.now
    app.on_response_prepare.append(_dated)
    app.router.add_get("/resource/{id}.json", portal.resource)
    app.router.add_get("/api/views/{id}.json", portal.view)
    app.cleanup_ctx.append(portal.threads)
    return app


async def _dated(request: web.Request, answer: web.StreamResponse) -> None:
    """Date the answer by the portal's clock: its rows are read, so none is newer."""
    answer.headers["Date"] = format_datetime(request.app[CLOCK](), usegmt=True)


class _Portal:
    def __init__(self, tables: Tables, replica: Replica | None, app_token: str | None) -> None:
        self._tables = tables
        self._replica = replica
        self._app_token = app_token
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="portal")

    async def threads(self, _: web.Application) -> AsyncIterator[None]:
        """Let go of the threads when the application ends."""
        yield
        await asyncio.to_thread(self._pool.shutdown)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """What is checked before any handler, and the envelopes of what goes wrong in one."""
        if len(request.raw_path) > LONGEST_URL:
            return web.Response(status=414, text="Request-URI Too Large")
        token = request.headers.get("X-App-Token") or request.query.get("$$app_token")
        if token and self._app_token and token != self._app_token:
            return _front_error(403, "permission_denied", "Invalid app_token specified")
        try:
            return await handler(request)
        except SoqlError as error:
            return _query_error(error)
        except web.HTTPNotFound:
            return _front_error(404, "not_found", "Not found")
        except web.HTTPException as error:
            return _front_error(error.status, "invalid_request", error.reason)
        except Exception:
            _log.exception("request failed: %s", request.path)
            return _json({"error": True, "message": "Internal error", "status": 500}, status=500)

    async def resource(self, request: web.Request) -> web.Response:
        """Rows of a dataset."""
        dataset = BY_ID.get(request.match_info["id"])
        if dataset is None:
            missing = {"id": request.match_info["id"]}
            return _front_error(404, "dataset.missing", "Not found", missing)
        # Taken before the rows are read: a page newer than its tag is fetched again, an older one would stay.
        truth = self._tables.publication(dataset.name)
        source = self._replica if self._replica and request.get(OUT_OF_DATE) else self._tables
        publication = source.publication(dataset.name)
        tag = _tag(dataset, publication, request.path_qs)
        headers = {
            "ETag": tag,
            "Last-Modified": format_datetime(publication.updated_at, usegmt=True),
            "X-SODA2-Truth-Last-Modified": format_datetime(truth.updated_at, usegmt=True),
        }
        if source is self._replica:
            headers["X-SODA2-Data-Out-Of-Date"] = "true"
        if tag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        clauses = {name: value for name, value in request.query.items() if name != "$$app_token"}
        zipped = "gzip" in request.headers.get("Accept-Encoding", "")

        def work() -> tuple[Query, bytes]:
            query = compile_query(clauses, dataset.name, source.columns(dataset.name))
            body = source.answer(query)
            return query, gzip.compress(body, compresslevel=1, mtime=0) if zipped else body

        query, body = await asyncio.get_running_loop().run_in_executor(self._pool, work)
        headers |= {
            "X-SODA2-Fields": json.dumps(list(query.fields)),
            "X-SODA2-Types": json.dumps([_soda_type(kind) for kind in query.fields.values()]),
            "Vary": "Accept-Encoding",
        }
        if zipped:
            headers["Content-Encoding"] = "gzip"
        return web.Response(body=body, headers=headers, content_type="application/json", charset="utf-8")

    async def view(self, request: web.Request) -> web.Response:
        """Metadata of a dataset."""
        dataset = BY_ID.get(request.match_info["id"])
        if dataset is None:
            return _front_error(404, "not_found", f"Cannot find view with id {request.match_info['id']}")
        columns = self._tables.columns(dataset.name).items()
        content = [(name, kind) for name, kind in columns if name not in SYSTEM_COLUMNS]
        return _json(
            {
                "id": dataset.id,
                "name": dataset.title,
                "assetType": "dataset",
                "rowsUpdatedAt": int(self._tables.publication(dataset.name).updated_at.timestamp()),
                "columns": [
                    {"fieldName": name, "dataTypeName": kind, "name": heading(name), "position": position}
                    # One that is not described has no description at all, rather than an empty one.
                    | ({"description": DESCRIPTIONS[name]} if name in DESCRIPTIONS else {})
                    for position, (name, kind) in enumerate(content, start=1)
                ],
            }
        )


def _tag(dataset: Dataset, publication: Publication, url: str) -> str:
    state = f"{dataset.id} {publication.updated_at} {publication.revision} {url}"
    return f'"{hashlib.sha256(state.encode()).hexdigest()[:32]}"'


def _soda_type(kind: Type) -> str:
    return "floating_timestamp" if kind is Type.CALENDAR_DATE else kind.value


def _query_error(error: SoqlError) -> web.Response:
    """The query coordinator's envelope, or for what it never got to see, that of the front end."""
    if error.code.startswith("query.soql."):
        return _json({"message": error.message, "errorCode": error.code, "data": error.data}, status=400)
    return _front_error(400, error.code, error.message, error.data)


def _front_error(status: int, code: str, message: str, data: dict[str, Any] | None = None) -> web.Response:
    envelope = {"code": code, "error": True, "message": message}
    return _json(envelope | ({"data": data} if data else {}), status=status)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
