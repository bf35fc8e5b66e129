"""`backfill-requests` → `crash-pages`: cut a span of crash dates into windows, and ask for each one's first page."""

from streams.domain.schemas import TABLES
from streams.domain.windows import months
from streams.publisher import Emit
from streams.records import BackfillRequest, CrashPage, Planned, RunEvent
from streams.socrata.client import Portal
from streams.topics import CRASH_PAGES, RUN_EVENTS


async def plan(request: BackfillRequest, portal: Portal, emit: Emit) -> None:
    """Plan a run. The portal's counts are for people who watch: the plan depends on the request alone."""
    run_id = request.request_id
    counts = [await portal.count(TABLES[dataset], request.start, request.end) for dataset in request.datasets]
    pages = [
        CrashPage(run_id=run_id, dataset=dataset, start=start, end=end)
        for start, end in months(request.start, request.end)
        for dataset in request.datasets
    ]
    planned = Planned(
        kind=request.kind,
        start=request.start,
        end=request.end,
        datasets=request.datasets,
        windows=len(pages),
        rows=sum(counts),
    )
    await emit(RUN_EVENTS, RunEvent(run_id=run_id, event=planned))
    for page in pages:
        await emit(CRASH_PAGES, page)
