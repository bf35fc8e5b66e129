"""`audit-requests` → tombstones, `bronze-written`, `crash-pages`: compare the copy with the portal, and mend it.

Only a difference in a month's count has its keys compared, unless the request asks for all of them. What is decided
about a month is kept before anything is done about it, and everything is said at the end.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import polars as pl

from streams.domain.audit import Window, compare, judge, month_of, rows_in
from streams.domain.merge import empty_month
from streams.domain.schemas import TABLES, Table
from streams.errors import RequestError
from streams.publisher import Emit
from streams.records import Audited, AuditRequest, BronzeWritten, CrashPage, Dataset, Planned, RunEvent
from streams.socrata.client import Portal
from streams.storage.bronze import Bronze
from streams.storage.findings import Finding, Findings
from streams.storage.silver import Silver
from streams.topics import BRONZE_WRITTEN, CRASH_PAGES, RUN_EVENTS

# More deletions in a month than this many, and than this share of its rows, are not believed without being told to: a
# portal in the middle of a reload holds little, and rows that return unchanged would not win over their tombstones.
SOME: Final = 50
SHARE: Final = 0.1


async def audit(
    request: AuditRequest,
    portal: Portal,
    bronze: Bronze,
    silver: Silver,
    findings: Findings,
    emit: Emit,
    since: date,
    today: Callable[[], date],
) -> None:
    """Audit the request's span, or the copy's extent from `since` to tomorrow."""
    start, end = _span(request, since, today())
    examiner = _Examiner(request, start, end, since, portal, bronze)
    counts = {dataset: await portal.counts(TABLES[dataset], start, end) for dataset in request.datasets}
    held = set(await silver.months())
    decided = await findings.names(request.run_id)
    found = []
    for window in Window.of(start, end):
        month = window.month
        # Before the portal is asked for keys: a row that comes in between is then missing, and never gone.
        copy = await silver.month(await silver.head(month)) if month in held else empty_month()
        for dataset in request.datasets:
            name = f"{dataset}/{month}_{window.start}_{window.end}.json"
            if name in decided:
                found.append(await findings.read(request.run_id, name))
                continue
            ours = await asyncio.to_thread(rows_in, copy, TABLES[dataset], window)
            theirs = counts[dataset].get(month, 0)
            if window.start is None and ours.is_empty():
                continue
            if window.start is not None and ours.height == theirs and not (request.thorough and theirs):
                found.append(Finding(audited=Audited(dataset=dataset, month=month, portal=theirs, ours=theirs)))
                continue
            finding = await examiner.examine(window, dataset, ours)
            found.append(await findings.keep(request.run_id, name, finding))
    await _announce(request, start, end, found, emit)


@dataclass(frozen=True)
class _Examiner:
    """Compares windows by their keys."""

    request: AuditRequest
    start: date
    end: date
    since: date
    portal: Portal
    bronze: Bronze

    async def examine(self, window: Window, dataset: Dataset, ours: pl.DataFrame) -> Finding:
        """Compare our rows of a window with the portal's; archives the tombstones."""
        table = TABLES[dataset]
        theirs = await self._keys(window, table, ours)
        missing, surplus = await asyncio.to_thread(compare, ours, theirs, table)
        held = await self.portal.confirm(table, list(surplus[table.key])) if surplus.height else {}
        verdict = judge(surplus, held, table, window)
        if verdict.gone > max(SOME, ours.height * SHARE) and not self.request.accept_deletions:
            raise RequestError(
                f"the portal lacks {verdict.gone:,} of {ours.height:,} {dataset} of {window.month}; none was deleted",
                field="accept_deletions",
                hint="look at the portal; if they are gone indeed: `crash-stream audit --accept-deletions`",
            )
        pages = {
            span for day in verdict.moved_to if (span := month_of(day, self.start, self.end, self.since)) is not None
        }
        if missing and window.start and window.end:
            pages.add((window.start, window.end))
        key = await self.bronze.keep("audits", dataset, verdict.tombstones) if verdict.tombstones else None
        return Finding(
            audited=Audited(
                dataset=dataset,
                month=window.month,
                portal=len(theirs),
                ours=ours.height,
                missing=len(missing),
                gone=verdict.gone,
                moved=verdict.moved,
            ),
            tombstones=key,
            pages=tuple(
                CrashPage(run_id=self.request.run_id, dataset=dataset, start=first, end=last)
                for first, last in sorted(pages)
            ),
        )

    async def _keys(self, window: Window, table: Table, ours: pl.DataFrame) -> set[str]:
        if window.start and window.end:
            return await self.portal.keys(table, window.start, window.end)
        # No span finds rows without a date: each of ours is asked for by its key.
        held = await self.portal.confirm(table, list(ours[table.key]))
        return {key for key, day in held.items() if day is None}


async def _announce(request: AuditRequest, start: date, end: date, found: list[Finding], emit: Emit) -> None:
    """Say what was found and have it mended. The plan comes before its pages, and after the tombstones."""
    run_id = request.run_id
    for finding in found:
        what = finding.audited
        if finding.tombstones:
            written = BronzeWritten(
                run_id=run_id,
                page_id=f"audits/{what.dataset}/{what.month}",
                dataset=what.dataset,
                bronze_key=finding.tombstones,
                month=what.month,
            )
            await emit(BRONZE_WRITTEN, written)
        await emit(RUN_EVENTS, RunEvent(run_id=run_id, event=what))
    pages = {page.page_id: page for finding in found for page in finding.pages}
    planned = Planned(
        kind="audit",
        start=start,
        end=end,
        datasets=request.datasets,
        windows=len(pages),
        rows=sum(max(finding.audited.portal, finding.audited.ours) for finding in found),
    )
    await emit(RUN_EVENTS, RunEvent(run_id=run_id, event=planned))
    for page in pages.values():
        await emit(CRASH_PAGES, page)


def _span(request: AuditRequest, since: date, today: date) -> tuple[date, date]:
    start, end = request.start or since, request.end or today + timedelta(days=1)
    if start >= end:
        field = "start" if request.start else "end"
        raise RequestError(
            f"there is nothing to audit from {start} to {end}",
            field=field,
            hint=f"the copy begins at {since} and ends today; give a {field} within it, or both",
        )
    return start, end
