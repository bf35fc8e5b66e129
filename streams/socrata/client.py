"""The portal over HTTP, polite and stubborn: one question, one answer, each failure a type of its own.

A question is asked again, with backoff, while there is hope and patience left. A body is whole and well-formed JSON, or
it is no answer.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import aiohttp
import structlog
from yarl import URL

from streams.domain.schemas import Table
from streams.errors import MalformedPage, PortalDenied, PortalError, PortalRejected, PortalUnavailable
from streams.records import Cursor
from streams.socrata import soql
from streams.socrata.answer import KEPT_HEADERS, Answer, fields, moment, reason, retry_after, unpack
from streams.socrata.throttle import Throttle, polite_rate

log = structlog.get_logger()

# What to wait before a question is asked again that a lagging replica answered.
LAG_SECONDS = 60.0


@dataclass(frozen=True)
class Patience:
    """How long the client bears with the portal; all in seconds but the numbers of tries.

    `budget` is for one question with all its tries, and below what delivery gives a message's handler.
    """

    connect: float = 10.0
    first_byte: float = 90.0  # a page of 50,000 rows may take the portal half a minute to begin
    silence: float = 30.0  # between two bytes
    whole: float = 200.0  # from the request to the last byte: a drip is never silent
    budget: float = 240.0
    tries: int = 10
    malformed_tries: int = 6
    first_delay: float = 0.5
    longest_delay: float = 30.0
    poll: float = 1.0  # after a 202: the answer is being made
    longest_pause: float = 600.0  # the most that a Retry-After is heeded


@dataclass(frozen=True)
class Held:
    """Rows that the portal holds of a span, the crash dates of the first and the last of them, and the newest stamp."""

    rows: int
    first: date
    last: date
    updated_at: datetime | None = None


@dataclass(frozen=True)
class LiveColumn:
    """A column as the portal's metadata has it now; `type` in the portal's words, `description` where it gives one."""

    name: str
    type: str
    description: str | None


class _Pending(PortalUnavailable):
    """202: the answer is being made."""


class Portal:
    """Asks the portal. Every question raises a `PortalError` where no answer can be had:

    `PortalUnavailable` when patience has run out, `MalformedPage` when bodies stay malformed, `PortalDenied` and
    `PortalRejected` at once.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        app_token: str | None,
        throttle: Throttle,
        patience: Patience,
    ) -> None:
        self._session = session
        self._base_url = base_url
        self._headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if app_token:
            self._headers["X-App-Token"] = app_token
        self.throttle = throttle
        self._patience = patience

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        base_url: str,
        app_token: str | None,
        *,
        rate: float | None = None,
        concurrency: int = 4,
        patience: Patience | None = None,
    ) -> AsyncIterator["Portal"]:
        """A portal with a session of its own, closed at the end. A process has one, and so one throttle.

        At most `concurrency` requests are under way, and `rate` a second begun; None: as is polite.
        """
        patience = patience or Patience()
        throttle = Throttle(rate or polite_rate(base_url, app_token), concurrency)
        limits = aiohttp.ClientTimeout(total=None, connect=patience.connect)
        # Bodies are archived as received, so nobody may decompress them on the way.
        async with aiohttp.ClientSession(timeout=limits, auto_decompress=False) as session:
            yield cls(session, base_url, app_token, throttle, patience)

    async def page(self, table: Table, start: date, end: date, after: Cursor | None, limit: int) -> Answer:
        """One keyset page of `table`'s rows with crash dates in [start, end)."""
        return await self.get(_resource(table), soql.page(start, end, after, limit))

    async def held(self, table: Table, start: date, end: date) -> Held:
        """What the portal holds of `table` with crash dates in [start, end)."""
        answer = await self.get(_resource(table), soql.held(start, end))
        try:
            row = answer.rows[0]
            rows = int(row["count"])
            if not rows:
                return Held(0, start, start)
            return Held(rows, _day(row["first"]), _day(row["last"]), datetime.fromisoformat(row["updated_at"]))
        except (ValueError, TypeError, LookupError) as error:
            raise _not_understood("count", table, error) from None

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
        return await self._ask(_resource(table), soql.changes(since, after, from_time, limit), etag)

    async def changed(self, table: Table, since: date, after: Cursor | None, from_time: datetime | None) -> int:
        """How many rows `changes` gives in all."""
        answer = await self.get(_resource(table), soql.changed(since, after, from_time))
        try:
            return int(answer.rows[0]["count"])
        except (ValueError, TypeError, LookupError) as error:
            raise _not_understood("count of changes", table, error) from None

    async def columns(self, table: Table) -> list[LiveColumn]:
        """The columns that `table` has at present, in the portal's order, without system and computed ones."""
        answer = await self._ask(f"/api/views/{table.portal_id}.json", {}, one=True)
        assert answer is not None  # noqa: S101  only a question with an etag may be answered with 304
        try:
            found = [
                LiveColumn(column["fieldName"], column["dataTypeName"], column.get("description") or None)
                for column in answer.rows[0]["columns"]
            ]
        except (TypeError, LookupError, AttributeError) as error:
            raise _not_understood("metadata", table, error) from None
        return [column for column in found if not column.name.startswith(":")]

    def address(self, table: Table, params: Mapping[str, str]) -> str:
        """The URL at which a question about `table` is asked."""
        return str(self._url(_resource(table), params))

    async def counts(self, table: Table, start: date, end: date) -> dict[str, int]:
        """Rows of `table` that can be merged, by crash month ("2024-01"), with crash dates in [start, end).

        A month without a row is not named.
        Raises `PortalUnavailable` when a lagging replica answers.
        """
        rows = await self._newest(table, soql.counts(table, start, end))
        try:
            return {row["month"][:7]: int(row["count"]) for row in rows}
        except (ValueError, TypeError, LookupError) as error:
            raise _not_understood("counts by month", table, error) from None

    async def keys(self, table: Table, start: date, end: date, page_rows: int = soql.MOST_ROWS) -> set[str]:
        """All primary keys of `table`'s rows that can be merged, with crash dates in [start, end).

        Raises `PortalUnavailable` when a lagging replica answers: what it lacks need not be gone.
        """
        found: set[str] = set()
        after = None
        while True:
            rows = await self._newest(table, soql.keys(table, start, end, after, page_rows))
            page = [row[table.key] for row in rows]
            found.update(page)
            if len(rows) < page_rows:
                return found
            after = page[-1]

    async def confirm(self, table: Table, keys: Collection[str]) -> dict[str, str | None]:
        """Those of `keys` that the portal holds, each with its crash date as published, None where it has none.

        Raises `PortalUnavailable` when a lagging replica answers.
        """
        held: dict[str, str | None] = {}
        for question in soql.confirm(table, keys):
            rows = await self._newest(table, question)
            held.update((row[table.key], row.get("crash_date")) for row in rows if table.key in row)
        return held

    async def get(self, path: str, params: Mapping[str, str]) -> Answer:
        """GET `path`, a JSON array of objects."""
        answer = await self._ask(path, params)
        assert answer is not None  # noqa: S101  only a question with an etag may be answered with 304
        return answer

    async def _newest(self, table: Table, params: Mapping[str, str]) -> Sequence[dict[str, Any]]:
        """The rows of an answer that is up to date: what it lacks is taken for gone."""
        answer = await self.get(_resource(table), params)
        if answer.out_of_date:
            raise PortalUnavailable(
                f"a lagging replica of the portal answered about {table.dataset}", retry_after=LAG_SECONDS
            )
        return answer.rows

    def _url(self, path: str, params: Mapping[str, str]) -> URL:
        return URL(self._base_url + path).with_query(params)

    async def _ask(
        self, path: str, params: Mapping[str, str], etag: str | None = None, *, one: bool = False
    ) -> Answer | None:
        """Ask until there is an answer, no hope, or no patience left; None for what `etag` says we have.

        With `one` the answer is an object rather than an array of them.
        """
        url = self._url(path, params)
        failure: PortalError | None = None
        failures = malformed = 0
        try:
            async with asyncio.timeout(self._patience.budget) as budget:
                while True:
                    self._heed_pause(failure, budget)
                    try:
                        return await self._try(url, etag, one)
                    except _Pending as error:
                        failure, delay = error, self._patience.poll
                    except (PortalUnavailable, MalformedPage) as error:
                        failures += 1
                        malformed += isinstance(error, MalformedPage)
                        if malformed == self._patience.malformed_tries:
                            raise
                        if failures == self._patience.tries:
                            raise _unavailable(error, f"{failures} tries") from None
                        failure, delay = error, self._delay(failures)
                    log.info("portal asked again", reason=str(failure), failures=failures, retry_in=round(delay, 1))
                    await asyncio.sleep(delay)
        except TimeoutError:
            raise _unavailable(failure, f"{self._patience.budget:g} s") from None

    def _heed_pause(self, failure: PortalError | None, budget: asyncio.Timeout) -> None:
        """Give up now where the portal wants to be left alone for longer than there is patience."""
        pause = self.throttle.paused
        if pause > (budget.when() or 0.0) - asyncio.get_running_loop().time():
            message = failure.message if failure else "the portal asks to come back later"
            raise PortalUnavailable(message, retry_after=pause)

    def _delay(self, failures: int) -> float:
        """Exponential with full jitter, in seconds."""
        longest = min(self._patience.longest_delay, self._patience.first_delay * 2 ** (failures - 1))
        return random.uniform(0, longest)  # noqa: S311  not a secret

    async def _try(self, url: URL, etag: str | None, one: bool) -> Answer | None:
        headers = self._headers | ({"If-None-Match": etag} if etag else {})
        async with self.throttle.turn() as began:
            try:
                response, raw = await self._exchange(url, headers)
            except aiohttp.ConnectionTimeoutError:
                raise self._silent(f"cannot be reached within {self._patience.connect:g} s") from None
            except (aiohttp.ClientError, OSError) as error:
                raise self._silent(f"does not answer: {str(error) or type(error).__name__}") from None
        status = response.status
        if status in (429, 503):
            self.throttle.slow_down(began, min(retry_after(response.headers), self._patience.longest_pause))
        if status == 304 and etag:
            self.throttle.speed_up()
            return None
        if status != 200:
            raise _failure(status, raw, url)
        self.throttle.speed_up()
        encoding = response.headers.get("Content-Encoding", "identity")
        body, rows = await asyncio.to_thread(unpack, raw, encoding, one=one)
        return Answer(
            request=str(url),
            raw=raw,
            body=body,
            rows=rows,
            encoding=encoding if encoding != "identity" else None,
            headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
            at=moment(response.headers.get("Date")),
            etag=response.headers.get("ETag"),
            fields=fields(response.headers),
        )

    async def _exchange(self, url: URL, headers: Mapping[str, str]) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request and read all of its answer."""
        patience = self._patience
        async with self._within(patience.whole, "has not ended its answer"):
            async with self._within(patience.first_byte, "has not begun to answer"):
                response = await self._session.get(url, headers=headers)
            body = bytearray()
            async with response:
                while True:
                    async with self._within(patience.silence, "fell silent amid its answer"):
                        chunk = await response.content.readany()
                    if not chunk:
                        return response, bytes(body)
                    body += chunk

    @asynccontextmanager
    async def _within(self, seconds: float, complaint: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(seconds) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._silent(f"{complaint}, after {seconds:g} s") from None

    def _silent(self, complaint: str) -> PortalUnavailable:
        return PortalUnavailable(
            f"the portal at {self._base_url} {complaint}", hint="check CRASH_PORTAL_URL and the network"
        )


def _resource(table: Table) -> str:
    return f"/resource/{table.portal_id}.json"


def _not_understood(what: str, table: Table, error: Exception) -> MalformedPage:
    return MalformedPage(f"the portal's {what} of {table.dataset} is not understood: {error!r}")


def _unavailable(failure: PortalError | None, spent: str) -> PortalUnavailable:
    """What is raised when patience has run out."""
    if failure is None:
        return PortalUnavailable(f"no answer of the portal within {spent}", hint="CRASH_PORTAL_RATE may be too low")
    return PortalUnavailable(f"{failure.message}; given up after {spent}", hint=failure.hint)


def _day(time: str) -> date:
    return datetime.fromisoformat(time).date()


def _failure(status: int, raw: bytes, url: URL) -> PortalError:
    told = f"{status} {reason(raw)}"
    if status in (401, 403):
        return PortalDenied(
            f"the portal refuses the app token: {told}",
            field="CRASH_PORTAL_APP_TOKEN",
            hint="set CRASH_PORTAL_APP_TOKEN to a valid token, or unset it: none is better than a wrong one",
        )
    if status == 202:
        return _Pending(f"the portal asks to ask again: {told}")
    if status in (408, 429) or status >= 500:
        return PortalUnavailable(f"the portal asks to come back later: {told}")
    return PortalRejected(f"the portal refuses the request: {told}", hint=f"the request was {url}")
