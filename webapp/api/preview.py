"""`GET /api/fetch/preview`: what a request would do, and what it would cost; `GET /api/fetch/watermarks`."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from streams.domain.cron import CHICAGO
from streams.domain.schemas import TABLES
from streams.domain.windows import months
from streams.extent import ALL_SINCE
from streams.records import BackfillRequest, Cursor, Dataset, PollRequest, Record
from streams.socrata import soql
from streams.socrata.client import Portal
from streams.storage.gold.client import GoldClient
from streams.topics import BACKFILL_REQUESTS, POLL_REQUESTS, Topic
from webapp.api.fetch import FetchRequest, backfill, polls
from webapp.api.patience import soon
from webapp.errors import ERRORS, ErrorEnvelope
from webapp.queries import rows
from webapp.times import Time

# Stands for the name that a request without one is given once it is sent.
UNNAMED: Final = "api-named-when-sent"
# A watermark's row is known to the workers alone. This one sorts behind all: what shares the mark's stamp is read.
LAST_ROW: Final = "row-~"


class Window(BaseModel):
    """A part of a table that is fetched by itself: crash dates in [start, end)."""

    start: date
    end: date
    rows: int = Field(description="by the portal's count")
    pages: int = Field(description="a full page is followed by another one, which may be empty")


class Part(BaseModel):
    """What is asked of one table."""

    dataset: Dataset
    request: str = Field(description="the URL of its first page; each further one begins past the last row before")
    rows: int
    pages: int
    windows: list[Window]


class Message(BaseModel):
    """A message that would be published."""

    topic: str
    value: dict[str, Any]


class Preview(BaseModel):
    """What a request would do. The portal may publish more before it is carried out."""

    body: dict[str, Any] = Field(description="what to send to `POST /api/fetch/publish`")
    messages: list[Message] = Field(
        description=f"what that publishes; a request without a `request_id` is named then, here `{UNNAMED}`"
    )
    parts: list[Part]
    rows: int
    pages: int
    page_rows: int = Field(description="the most rows of a page (CRASH_PAGE_ROWS)")
    seconds: float | None = Field(description="estimated from past runs; null where there was none of 1,000 rows yet")
    rows_per_second: float | None = Field(description="of past runs, from the request to the last row in Gold")
    past_runs: int = Field(description="how many that is the rate of: the last 20 at most")


class Watermark(BaseModel):
    """How far a table is followed. Times are in UTC."""

    dataset: Dataset
    watermark: str | None = Field(description="`:updated_at` up to which it is read")
    rows: int = Field(description="what the last poll found")
    out_of_date: bool = Field(description="whether a lagging replica answered it")
    run_id: str
    polled_at: Time


class Watermarks(BaseModel):
    """The tables that were polled so far."""

    watermarks: list[Watermark]


def routes(portal: Portal, gold: GoldClient, page_rows: int) -> APIRouter:
    """The routes that say what a copy would take; they publish nothing."""
    router = APIRouter(tags=["fetch"], responses={**ERRORS, 502: {"model": ErrorEnvelope}})

    @router.get("/api/fetch/preview")
    async def preview(request: Annotated[FetchRequest, Query()]) -> Preview:
        """What `POST /api/fetch/publish` would do with the same fields: requests to the portal, rows, pages, time.

        The rows are counted by the portal, now. Nothing is published.
        """
        name = request.request_id or UNNAMED
        messages: list[tuple[Topic, Record]]
        if request.mode == "backfill":
            wanted = backfill(request, name)
            messages = [(BACKFILL_REQUESTS, wanted)]
            parts = await soon(_windows(wanted, portal, page_rows))
        else:
            asked = polls(request, name)
            messages = [(POLL_REQUESTS, poll) for poll in asked]
            parts = await soon(_changes(asked, portal, gold, page_rows))
        (past,) = await rows(gold, "fetch_pace")
        count = sum(part.rows for part in parts)
        pace = past["rows_per_second"]
        return Preview(
            body={"mode": request.mode, **request.model_dump(mode="json", exclude_none=True)},
            messages=[_message(topic, record) for topic, record in messages],
            parts=parts,
            rows=count,
            pages=sum(part.pages for part in parts),
            page_rows=page_rows,
            seconds=count / pace if pace else None,
            rows_per_second=pace,
            past_runs=past["runs"],
        )

    @router.get("/api/fetch/watermarks")
    async def watermarks() -> Watermarks:
        """How far each table is followed, and when it was last polled."""
        found = await rows(gold, "fetch_watermarks")
        return Watermarks(watermarks=[Watermark.model_validate(row) for row in found])

    return router


async def _windows(request: BackfillRequest, portal: Portal, page_rows: int) -> list[Part]:
    """A window a crash month between the portal's first row and its last: those that a plan asks for."""

    async def part(dataset: Dataset) -> Part:
        table = TABLES[dataset]
        held = await portal.counts(table, request.start, request.end)
        windows = [
            Window(start=start, end=end, rows=count, pages=_pages(count, page_rows))
            for start, end in months(request.start, request.end)
            if held and min(held) <= f"{start:%Y-%m}" <= max(held)
            for count in [held.get(f"{start:%Y-%m}", 0)]
        ]
        start, end = (windows[0].start, windows[0].end) if windows else (request.start, request.end)
        first = soql.page(start, end, None, page_rows)
        return _part(dataset, portal.address(table, first), windows)

    return await asyncio.gather(*(part(dataset) for dataset in request.datasets))


async def _changes(asked: list[PollRequest], portal: Portal, gold: GoldClient, page_rows: int) -> list[Part]:
    """What was published since the time that a poll looks back to, or since the table's watermark."""
    (extent,) = await rows(gold, "fetch_extent")
    since = extent["since"] or ALL_SINCE
    marks = {row["dataset"]: row["watermark"] for row in await rows(gold, "fetch_watermarks")}

    async def part(poll: PollRequest) -> Part:
        table = TABLES[poll.dataset]
        mark = None if poll.since else marks.get(poll.dataset)
        after = Cursor(updated_at=mark, row_id=LAST_ROW) if mark else None
        count = await portal.changed(table, since, after, poll.since)
        tomorrow = datetime.now(CHICAGO).date() + timedelta(days=1)
        window = Window(start=since, end=tomorrow, rows=count, pages=_pages(count, page_rows))
        return _part(poll.dataset, portal.address(table, soql.changes(since, after, poll.since, page_rows)), [window])

    return await asyncio.gather(*(part(poll) for poll in asked))


def _part(dataset: Dataset, request: str, windows: list[Window]) -> Part:
    return Part(
        dataset=dataset,
        request=request,
        rows=sum(window.rows for window in windows),
        pages=sum(window.pages for window in windows),
        windows=windows,
    )


def _pages(count: int, page_rows: int) -> int:
    return count // page_rows + 1


def _message(topic: Topic, record: Record) -> Message:
    return Message(topic=topic.name, value=record.model_dump(mode="json", exclude_none=True))
