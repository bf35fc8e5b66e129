"""The portal over HTTP: one request, one answer, each failure a type of its own."""

import json
import zlib
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from streams.domain.schemas import Table
from streams.errors import MalformedPage, PortalDenied, PortalRejected, PortalUnavailable
from streams.records import Cursor
from streams.socrata import soql

# Seconds. A page of 50,000 rows may take the portal half a minute to begin; silence for longer is a dead connection.
TIMEOUT = aiohttp.ClientTimeout(total=None, connect=15, sock_connect=10, sock_read=90)

# What is worth keeping of an answer's headers: what it says of the data's age and its shape.
KEPT_HEADERS = (
    "Content-Type",
    "ETag",
    "Last-Modified",
    "X-SODA2-Data-Out-Of-Date",
    "X-SODA2-Truth-Last-Modified",
)


@dataclass(frozen=True)
class Answer:
    """A 200 of the portal. `raw` is the body as received, compressed if `encoding` says so; `body` is plain."""

    request: str
    raw: bytes
    encoding: str | None
    headers: Mapping[str, str]
    at: datetime | None = None
    etag: str | None = None

    @property
    def body(self) -> bytes:
        """The body, decompressed. Raises `PortalUnavailable` when it was cut short."""
        if self.encoding is None:
            return self.raw
        decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            plain = decompressor.decompress(self.raw)
        except zlib.error as error:
            raise PortalUnavailable(f"the portal's answer is damaged: {error}") from None
        if not decompressor.eof:
            raise PortalUnavailable("the portal's answer was cut short")
        return plain

    @property
    def out_of_date(self) -> bool:
        """Whether a lagging replica answered: its rows are true, but not the newest."""
        return self.headers.get("X-SODA2-Data-Out-Of-Date", "").lower() == "true"


@dataclass(frozen=True)
class Held:
    """Rows that the portal holds of a span, and the crash dates of the first and the last of them."""

    rows: int
    first: date
    last: date


class Portal:
    """Asks the portal; raises a `PortalError` for whatever is no 200."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, app_token: str | None) -> None:
        self._session = session
        self._base_url = base_url
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if app_token:
            self._headers["X-App-Token"] = app_token

    @classmethod
    @asynccontextmanager
    async def connect(cls, base_url: str, app_token: str | None) -> AsyncIterator["Portal"]:
        """A portal with a session of its own, closed at the end."""
        # Bodies are archived as received, so nobody may decompress them on the way.
        async with aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False) as session:
            yield cls(session, base_url, app_token)

    async def page(self, table: Table, start: date, end: date, after: Cursor | None, limit: int) -> Answer:
        """One keyset page of `table`'s rows with crash dates in [start, end)."""
        return await self.get(f"/resource/{table.portal_id}.json", soql.page(start, end, after, limit))

    async def held(self, table: Table, start: date, end: date) -> Held:
        """What the portal holds of `table` with crash dates in [start, end)."""
        answer = await self.get(f"/resource/{table.portal_id}.json", soql.held(start, end))
        try:
            row = json.loads(answer.body)[0]
            rows = int(row["count"])
            return Held(rows, _day(row["first"]), _day(row["last"])) if rows else Held(0, start, start)
        except (ValueError, TypeError, LookupError) as error:
            raise MalformedPage(f"the portal's count of {table.dataset} is not understood: {error!r}") from None

    async def changes(
        self,
        table: Table,
        since: date,
        after: Cursor | None,
        from_time: datetime | None,
        limit: int,
        etag: str | None,
    ) -> Answer | None:
        """One keyset page of `table`'s rows with crash dates from `since` on, in the order of their publication.

        It begins strictly past `after`; without that, at rows published at `from_time` or later; without either, at
        the first. None when `etag` is given and still that of this question's answer.
        """
        raise NotImplementedError

    async def counts(self, table: Table, start: date, end: date) -> dict[str, int]:
        """Rows of `table` by crash month ("2024-01") with crash dates in [start, end); no month without a row."""
        raise NotImplementedError

    async def keys(self, table: Table, start: date, end: date, page_rows: int = 50_000) -> set[str]:
        """All primary keys of `table`'s rows with crash dates in [start, end).

        Raises `PortalUnavailable` when a lagging replica answers: what it lacks need not be gone.
        """
        raise NotImplementedError

    async def confirm(self, table: Table, keys: Collection[str]) -> dict[str, str | None]:
        """Those of `keys` that the portal holds, each with its crash date as published, None where it has none.

        Raises `PortalUnavailable` when a lagging replica answers.
        """
        raise NotImplementedError

    async def get(self, path: str, params: Mapping[str, str]) -> Answer:
        """GET `path`; the answer's body is not yet decompressed."""
        url = URL(self._base_url + path).with_query(params)
        try:
            async with self._session.get(url, headers=self._headers) as response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PortalUnavailable(
                f"the portal at {self._base_url} does not answer: {str(error) or type(error).__name__}",
                hint="check CRASH_PORTAL_URL and the network",
            ) from None
        encoding = response.headers.get("Content-Encoding")
        answer = Answer(
            request=str(url),
            raw=raw,
            encoding=encoding if encoding != "identity" else None,
            headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        )
        if response.status != 200:
            raise _failure(response, answer)
        return answer


def _day(time: str) -> date:
    return datetime.fromisoformat(time).date()


def _failure(response: aiohttp.ClientResponse, answer: Answer) -> Exception:
    reason = f"{response.status} {_message(answer)}"
    if response.status in (401, 403):
        return PortalDenied(
            f"the portal refuses the app token: {reason}",
            field="CRASH_PORTAL_APP_TOKEN",
            hint="set CRASH_PORTAL_APP_TOKEN to a valid token, or unset it: none is better than a wrong one",
        )
    if response.status in (202, 408, 429) or response.status >= 500:
        retry_after = _seconds(response.headers.get("Retry-After"))
        return PortalUnavailable(f"the portal asks to come back later: {reason}", retry_after=retry_after)
    return PortalRejected(f"the portal refuses the request: {reason}", hint=f"the request was {answer.request}")


def _message(answer: Answer) -> str:
    """The reason in either of the portal's two error envelopes."""
    try:
        envelope: Any = json.loads(answer.body)
        return f"{envelope.get('errorCode') or envelope.get('code') or ''} {envelope.get('message', '')}".strip()
    except (PortalUnavailable, ValueError, AttributeError):
        return answer.raw[:200].decode("utf-8", "replace")


def _seconds(retry_after: str | None) -> float | None:
    """`Retry-After` in seconds, from either of its forms."""
    if retry_after is None:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
