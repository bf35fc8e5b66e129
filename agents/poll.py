"""`poll-requests` → Bronze, `bronze-written`: follow a dataset by its watermark on `:updated_at`."""

import asyncio
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Never

from agents.fetch import announce, read
from streams.domain.schemas import TABLES
from streams.errors import BrokerUnavailable
from streams.extent import Extent
from streams.publisher import Emit
from streams.records import DATASETS, Planned, Polled, PollRequest, RunEvent
from streams.socrata.client import Portal
from streams.storage.bronze import Bronze
from streams.tables import Watermark
from streams.topics import POLL_REQUESTS, RUN_EVENTS

# A poll under way is waited for; one that has not moved for so long has been lost.
LOST_AFTER: Final = timedelta(minutes=15)
# The first start's plan sets the watermark. Where it has not for so long, the table was lost: all is read again.
BEGINS_WITHIN: Final = timedelta(minutes=15)


async def poll_ever(seconds: float, owns: Callable[[], bool], emit: Emit) -> Never:
    """Ask for a poll of each dataset every so many seconds, where this process `owns` the clock."""
    while True:
        if owns():
            for dataset in DATASETS:
                run_id = f"stream-{dataset}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
                with suppress(BrokerUnavailable):  # the next one comes soon
                    await emit(POLL_REQUESTS, PollRequest(run_id=run_id, dataset=dataset))
        await asyncio.sleep(seconds)


async def poll(
    request: PollRequest,
    states: MutableMapping[str, Any],
    portal: Portal,
    bronze: Bronze,
    emit: Emit,
    extent: Extent,
    page_rows: int,
) -> None:
    """Read one page of what a dataset published past its watermark; a full one asks for the next.

    The watermark moves when the page is in Bronze and announced, up to where nothing can appear late any more, and
    not at all on an answer that is marked out of date.
    """
    mark = Watermark.from_table(states.get(request.dataset))
    if request.begins:
        if mark.settled is None and request.since:
            states[request.dataset] = Watermark.at(request.since).to_table()
        return
    follows = request.since is None  # else it looks back, and leaves the watermark alone
    first = request.number == 0
    if follows and first and not _may_start(mark, request, extent):
        return
    after = request.after or (mark.settled if follows else None)
    etag = mark.etag if follows and first else None
    answer = await portal.changes(
        TABLES[request.dataset], extent.since, after, None if after else request.since, page_rows, etag
    )
    if answer is None:
        states[request.dataset] = mark.model_copy(update={"moved_at": datetime.now(UTC)}).to_table()
        await _tell(request, mark, 0, False, emit)
        return
    page = await read(answer, request)
    last = page.size < page_rows or answer.out_of_date
    if not last:
        await emit(POLL_REQUESTS, request.model_copy(update={"number": request.number + 1, "after": page.cursor}))
    if page.size or not first or not follows:  # an idle poll is no run
        span = (extent.since, (answer.at or datetime.now(UTC)).date() + timedelta(days=1))
        await announce(request, span, answer, page, last, bronze, emit)
        if first:
            # Said after its page: an earlier poll that is delivered again after a death may read that page instead,
            # and this one, which has then nothing to do, would be a run that never ends.
            kind = "stream" if follows else "look-back"
            planned = Planned(
                kind=kind, start=span[0], end=span[1], datasets=(request.dataset,), windows=1, rows=page.size
            )
            await emit(RUN_EVENTS, RunEvent(run_id=request.run_id, event=planned))
    if follows:
        if not answer.out_of_date:
            mark = mark.after(page.cursor or after, answer.at)
        # Asked again from the same place, one page is all of the answer: its tag says whether there is news.
        etag = answer.etag if first and last and mark.settled == after and not answer.out_of_date else None
        under_way = None if last else request.run_id
        mark = mark.model_copy(update={"etag": etag, "run_id": under_way, "moved_at": datetime.now(UTC)})
        states[request.dataset] = mark.to_table()
    if last:
        await _tell(request, mark, page.size, answer.out_of_date, emit)


def _may_start(mark: Watermark, request: PollRequest, extent: Extent) -> bool:
    now = datetime.now(UTC)
    if mark.settled is None:
        return now - extent.settled_at > BEGINS_WITHIN
    if mark.moved_at is None:
        return True
    if mark.run_id is None:
        # One that ended since has seen what this one would: while the portal was away, many may have piled up.
        return mark.moved_at < request.at
    return mark.run_id == request.run_id or now - mark.moved_at > LOST_AFTER


async def _tell(request: PollRequest, mark: Watermark, rows: int, out_of_date: bool, emit: Emit) -> None:
    watermark = mark.settled.updated_at if mark.settled else None
    polled = Polled(dataset=request.dataset, watermark=watermark, rows=rows, out_of_date=out_of_date)
    await emit(RUN_EVENTS, RunEvent(run_id=request.run_id, event=polled))
