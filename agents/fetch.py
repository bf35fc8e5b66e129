"""`crash-pages` → Bronze, `bronze-written`: fetch a page, archive it as received, announce it and the page after it."""

import asyncio

from streams.domain.pages import read_page
from streams.domain.schemas import TABLES
from streams.publisher import Emit
from streams.records import BronzeWritten, CrashPage, Failed, Fetched, RunEvent
from streams.socrata.client import Portal
from streams.storage.bronze import Bronze
from streams.topics import BRONZE_WRITTEN, CRASH_PAGES, RUN_EVENTS


async def fetch(page: CrashPage, portal: Portal, bronze: Bronze, emit: Emit, page_rows: int) -> None:
    """Fetch one page of at most `page_rows` rows; a full one may have a successor, a shorter one ends its window."""
    table = TABLES[page.dataset]
    answer = await portal.page(table, page.start, page.end, page.after, page_rows)
    body = await asyncio.to_thread(lambda: answer.body)
    found = await asyncio.to_thread(read_page, body, table)
    key = await bronze.archive(page, answer, body, found.size, found.months)

    last = found.size < page_rows
    if not last:
        await emit(CRASH_PAGES, page.model_copy(update={"number": page.number + 1, "after": found.cursor}))
    for month in found.months:
        written = BronzeWritten(
            run_id=page.run_id, page_id=page.page_id, dataset=page.dataset, bronze_key=key, month=month
        )
        await emit(BRONZE_WRITTEN, written)
    if found.keyless:
        # They stay in Bronze; the run says so rather than look complete.
        error = f"{found.keyless} rows of {key} name no {table.key} or no crash_record_id and cannot be merged"
        await emit(
            RUN_EVENTS, RunEvent(run_id=page.run_id, event=Failed(stage="fetch", page_id=page.page_id, error=error))
        )
    fetched = Fetched(
        page_id=page.page_id,
        dataset=page.dataset,
        start=page.start,
        end=page.end,
        number=page.number,
        last=last,
        bronze_key=key,
        request=answer.request,
        rows=found.size,
        size=len(answer.raw),
        months=found.months,
    )
    await emit(RUN_EVENTS, RunEvent(run_id=page.run_id, event=fetched))
