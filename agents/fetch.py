"""`crash-pages` → Bronze, `bronze-written`: fetch a page, archive it as received, announce it and the page after it."""

import asyncio
from datetime import date

import structlog

from streams.domain.drift import drifts
from streams.domain.pages import Page, page_of
from streams.domain.schemas import TABLES
from streams.publisher import Emit
from streams.records import BronzeWritten, CrashPage, Failed, Fetched, PollRequest, RunEvent
from streams.socrata.answer import Answer
from streams.socrata.client import Portal
from streams.storage.bronze import Bronze
from streams.topics import BRONZE_WRITTEN, CRASH_PAGES, RUN_EVENTS

log = structlog.get_logger()


async def fetch(page: CrashPage, portal: Portal, bronze: Bronze, emit: Emit, page_rows: int) -> None:
    """Fetch one page of at most `page_rows` rows; a full one may have a successor, a shorter one ends its window."""
    answer = await portal.page(TABLES[page.dataset], page.start, page.end, page.after, page_rows)
    found = await read(answer, page)
    last = found.size < page_rows
    if not last:
        await emit(CRASH_PAGES, page.model_copy(update={"number": page.number + 1, "after": found.cursor}))
    await announce(page, (page.start, page.end), answer, found, last, bronze, emit)


async def read(answer: Answer, page: CrashPage | PollRequest) -> Page:
    """The rows of an answer."""
    return await asyncio.to_thread(page_of, answer.rows, TABLES[page.dataset])


async def announce(
    page: CrashPage | PollRequest,
    span: tuple[date, date],
    answer: Answer,
    found: Page,
    last: bool,
    bronze: Bronze,
    emit: Emit,
) -> None:
    """Archive a page as received, and tell those who merge it, and its run. `last` ends its window."""
    key = await bronze.archive(page, answer, found.size, found.months)
    for month in found.months:
        written = BronzeWritten(
            run_id=page.run_id, page_id=page.page_id, dataset=page.dataset, bronze_key=key, month=month
        )
        await emit(BRONZE_WRITTEN, written)
    for drift in drifts(answer.fields, TABLES[page.dataset]):
        await emit(RUN_EVENTS, RunEvent(run_id=page.run_id, event=drift))
    log.info("fetched", rows=found.size, months=len(found.months), last=last)
    start, end = span
    fetched = Fetched(
        page_id=page.page_id,
        dataset=page.dataset,
        start=start,
        end=end,
        number=page.number,
        last=last,
        bronze_key=key,
        request=answer.request,
        rows=found.size,
        size=len(answer.raw),
        months=found.months,
    )
    await emit(RUN_EVENTS, RunEvent(run_id=page.run_id, event=fetched))
    if found.keyless:
        # They stay in Bronze; the run says so rather than look complete. Said last: a page fetched later would heal it.
        table = TABLES[page.dataset]
        error = f"{found.keyless} rows of {key} name no {table.key} or no crash_record_id and cannot be merged"
        failed = Failed(stage="fetch", page_id=page.page_id, error=error)
        await emit(RUN_EVENTS, RunEvent(run_id=page.run_id, event=failed))
