"""`backfill-requests` → `crash-pages`: cut a span of crash dates into windows, and ask for each one's first page."""

from datetime import UTC, datetime

from streams.domain.schemas import TABLES
from streams.domain.windows import months
from streams.publisher import Emit
from streams.records import BackfillRequest, CrashPage, Planned, PollRequest, RunEvent
from streams.socrata.client import Portal
from streams.tables import OVERLAP
from streams.topics import CRASH_PAGES, POLL_REQUESTS, RUN_EVENTS

START_OF_TIME = datetime(2013, 1, 1, tzinfo=UTC)


async def plan(request: BackfillRequest, portal: Portal, emit: Emit) -> None:
    """Plan a run: a window for each crash month of its span between the portal's first row and its last.

    Windows are cut by the request alone, so a request planned twice names the same pages. What the portal holds only
    decides which of them there is a point in asking for.
    """
    rows = 0
    pages = []
    for dataset in request.datasets:
        held = await portal.held(TABLES[dataset], request.start, request.end)
        rows += held.rows
        if request.kind == "first-start":
            # Rows that are published while it is backfilled are behind this mark, and streaming will find them.
            begins = (held.updated_at or START_OF_TIME) - OVERLAP
            await emit(
                POLL_REQUESTS, PollRequest(run_id=request.request_id, dataset=dataset, since=begins, begins=True)
            )
        pages += [
            CrashPage(run_id=request.request_id, dataset=dataset, start=start, end=end)
            for start, end in months(request.start, request.end)
            if held.rows and start <= held.last and end > held.first
        ]
    planned = Planned(
        kind=request.kind,
        start=request.start,
        end=request.end,
        datasets=request.datasets,
        windows=len(pages),
        rows=rows,
    )
    await emit(RUN_EVENTS, RunEvent(run_id=request.request_id, event=planned))
    for page in sorted(pages, key=lambda page: page.start):
        await emit(CRASH_PAGES, page)
