"""Asking the process that owns Gold."""

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp
import pyarrow as pa

from streams.errors import (
    CrashStreamError,
    GoldBusy,
    GoldDenied,
    GoldError,
    GoldUnavailable,
    QueryLimit,
    QueryRefused,
    RowMissing,
    StorageError,
    StoreUnavailable,
)
from streams.lineage.trail import Lineage
from streams.storage.gold.answer import Answer, Lane

_FAILURES: Final[Mapping[str, type[CrashStreamError]]] = {
    failure.__name__: failure
    for failure in (
        *(GoldBusy, GoldDenied, GoldError, QueryLimit, QueryRefused, RowMissing),
        *(StorageError, StoreUnavailable),
    )
}

# The owner ends a query within its own, shorter time.
_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=5)


class GoldClient:
    """Queries Gold at `base_url`; use it in an `async with`, or `close` it."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def query(
        self, sql: str, *, limit: int = 10_000, parameters: Mapping[str, object] | None = None, lane: Lane = "service"
    ) -> Answer:
        """The first `limit` rows of a single read; `parameters` are its `$name`s. SQL of people goes to their `lane`.

        Raises `QueryRefused`, `QueryLimit`, `GoldBusy`, or `GoldUnavailable` when nobody answers.
        """
        question = {"sql": sql, "limit": limit, "parameters": dict(parameters or {}), "lane": lane}
        body, headers = await self._ask("POST", "/query", question)
        try:
            with pa.ipc.open_stream(body) as reader:
                return Answer(reader.read_all(), truncated=headers.get("X-Truncated") == "true")
        except pa.ArrowException as error:
            raise GoldUnavailable(f"{self._base_url} does not answer as Gold does: {error}") from None

    async def lineage(self, table: str, key: str) -> Lineage:
        """Where the row of `table` whose key is `key` came from.

        Raises `RowMissing`, `QueryRefused` for a table without lineage, what a query raises, and `StoreUnavailable`
        when the object store does not answer Gold.
        """
        body, _ = await self._ask("GET", f"/lineage/{quote(table, safe='')}/{quote(key, safe='')}", None)
        return Lineage.model_validate_json(body)

    async def status(self) -> dict[str, Any]:
        """Rows by table, months, `data_through` (ISO text or null), file_bytes and version."""
        body, _ = await self._ask("GET", "/status", None)
        return dict(_object(body))

    async def rebuild(self, token: str | None) -> dict[str, Any]:
        """Have Gold built again from Silver, unless that is under way; returns its progress. Raises `GoldDenied`."""
        body, _ = await self._ask("POST", "/rebuild", None, {"Authorization": f"Bearer {token or ''}"})
        return dict(_object(body))

    async def rebuilding(self) -> dict[str, Any]:
        """How far the last rebuild is: `GoldProgress` of `streams.rebuild`."""
        body, _ = await self._ask("GET", "/rebuild", None)
        return dict(_object(body))

    async def wipe(self, token: str | None) -> dict[str, int]:
        """Take out all that Silver can give again; returns the rows that were there, by table.

        Raises `GoldDenied`, and `GoldBusy` while Gold is being rebuilt.
        """
        body, _ = await self._ask("POST", "/wipe", None, {"Authorization": f"Bearer {token or ''}"})
        return dict(_object(body)["rows"])

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(
        self, method: str, path: str, question: object, headers: Mapping[str, str] | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        if self._session is None:  # made here: it belongs to the running loop
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        try:
            async with self._session.request(method, self._base_url + path, json=question, headers=headers) as response:
                body = await response.read()
                if response.ok:
                    return body, response.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GoldUnavailable(
                f"nobody answers for Gold at {self._base_url}: {error or type(error).__name__}",
                hint="start `crash-stream gold`",
            ) from None
        raise self._failure(response.status, body)

    def _failure(self, status: int, body: bytes) -> CrashStreamError:
        told = _object(body)
        kind = _FAILURES.get(str(told.get("code")))
        if kind is None:
            return GoldUnavailable(f"{self._base_url} answered {status}: {body[:200].decode(errors='replace')}")
        return kind(str(told["message"]), field=told.get("field"), hint=told.get("hint"))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
