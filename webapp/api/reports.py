"""`/api/reports/…`: the copy in figures, its runs, audits and quality, and a report on a period for print."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from streams.records import DATASETS, Dataset
from streams.storage.gold.client import GoldClient
from webapp.api.answers import TABULAR, as_response, wanted
from webapp.api.gold import Rows, Shape
from webapp.api.report_csv import report_csv
from webapp.api.report_figures import Audit, Report, Run, report
from webapp.components.text import CHICAGO
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.queries import SQL, rows
from webapp.times import Time
from webapp.versioned import Answers, versioned

_MOST: Final = 100_000
_QUALITY_MONTHS: Final = 12
# Gold finds nothing before or after these, and they are far enough from the ends of its calendar.
_EARLIEST, _LATEST = date(1900, 1, 1), date(2999, 12, 31)

From = Annotated[
    date | None, Query(alias="from", ge=_EARLIEST, le=_LATEST, description="first day", examples=["2025-10-01"])
]
To = Annotated[
    date | None, Query(alias="to", ge=_EARLIEST, le=_LATEST, description="last day, included", examples=["2025-10-31"])
]


class Window(BaseModel):
    """Crashes by outcome from `first_day` to `last_day`, both included."""

    days: int = Field(description="7, 30 or 365")
    a_year_before: bool = Field(description="whether these are the same days of the year before")
    first_day: date
    last_day: date
    whole: bool = Field(description="whether the copy reaches back to `first_day`")
    crashes: int
    no_injury: int
    injury: int = Field(description="with an injury, but no severe one")
    severe: int = Field(description="with somebody killed or incapacitated")
    unknown: int = Field(description="whose injuries are not known yet")
    injured: int = Field(description="people")
    killed: int = Field(description="people")


class Serving(BaseModel):
    """The model that scored last, for its target."""

    target: str
    model_version: str
    tier: str
    crashes_scored: int
    latest_at: Time = Field(description="UTC")


class Runs(BaseModel):
    """Runs by state."""

    running: int
    complete: int
    failed: int


class Summary(BaseModel):
    """The copy in figures."""

    rows: dict[str, int] = Field(description="by table of Gold", examples=[{"crashes": 20000, "vehicles": 40581}])
    data_from: Time | None = Field(description="the first crash, Chicago's time")
    data_through: Time | None = Field(description="the newest crash, Chicago's time")
    months: int = Field(description="crash months in Gold")
    file_bytes: int = Field(description="size of Gold's file")
    version: int = Field(description="counts Gold's commits")
    runs: Runs
    pages: int = Field(description="pages fetched")
    bytes_archived: int = Field(description="bytes of those pages, as received")
    dead_letters: int
    dead_letters_waiting: int = Field(description="not replayed yet")
    windows: list[Window]
    models: list[Serving]
    audit: Audit | None = Field(description="the last one")


class RunHistory(BaseModel):
    """Runs, newest first."""

    runs: list[Run]
    total: int = Field(description="how many there are with these filters, on all pages")
    limit: int
    offset: int
    kinds: dict[str, int] = Field(description="runs by kind, whatever kind and status are asked for")
    statuses: dict[str, int] = Field(description="runs by status, likewise")


class Audits(BaseModel):
    """Audits, newest first."""

    audits: list[Audit]


def routes(gold: GoldClient, answers: Answers) -> APIRouter:
    """The routes about reports; ``answers`` keeps what they say for as long as Gold stays the same."""
    router = APIRouter(prefix="/api/reports", tags=["reports"], responses=ERRORS, route_class=versioned(answers))
    tabular: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "The rows, as JSON, CSV, Arrow or Parquet",
            "model": Rows,
            "content": TABULAR,
        }
    }
    nothing: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope, "description": "Gold holds no crash yet"}}

    @router.get("/summary")
    async def summary() -> Summary:
        """The copy in figures: rows, runs, pages, dead letters, crashes by outcome, models, the last audit."""
        status, (copy,), (reach,), windows, models, audits = await asyncio.gather(
            gold.status(),
            rows(gold, "report_copy"),
            rows(gold, "report_reach"),
            rows(gold, "report_windows"),
            rows(gold, "report_serving"),
            rows(gold, "report_audits", limit=1),
        )
        return Summary.model_validate(
            {
                **copy,
                **reach,
                "rows": status["rows"],
                "file_bytes": status["file_bytes"],
                "version": status["version"],
                "runs": copy,
                "windows": windows,
                "models": models,
                "audit": audits[0] if audits else None,
            }
        )

    @router.get("/run-history", responses={200: {"model": RunHistory, "content": {"text/csv": {}}}})
    async def run_history(
        request: Request,
        kind: Annotated[str | None, Query(max_length=60, examples=["backfill"])] = None,
        status: Literal["running", "complete", "failed"] | None = None,
        first: From = None,
        last: To = None,
        changed_only: Annotated[
            bool, Query(description="leave out runs that are complete and changed no crash, as most polls do")
        ] = False,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
        form: Shape = None,
    ) -> Response:
        """Runs, newest first, by the day on which they were asked for. The header X-Total-Count counts all of them."""
        _check(first, last)
        asked = {"since": _midnight(first), "until": _midnight(last, days=1), "changed_only": changed_only}
        found, counts = await asyncio.gather(
            gold.query(
                SQL["report_runs"],
                limit=limit,
                parameters={**asked, "kind": kind, "status": status, "limit": limit, "offset": offset},
            ),
            rows(gold, "report_run_kinds", **asked),
        )
        total = sum(row["runs"] for row in counts if kind in (None, row["kind"]) and status in (None, row["status"]))
        if (shape := wanted(request, form)) != "json":
            response = await as_response(found, shape)
        else:
            history = RunHistory(
                runs=[Run.model_validate(row) for row in found.table.to_pylist()],
                total=total,
                limit=limit,
                offset=offset,
                kinds=_sums(counts, "kind"),
                statuses=_sums(counts, "status"),
            )
            response = Response(history.model_dump_json(), media_type="application/json")
        response.headers["X-Total-Count"] = str(total)
        return response

    @router.get("/audits", responses={200: {"model": Audits, "content": TABULAR}})
    async def audits(
        request: Request, limit: Annotated[int, Query(ge=1, le=1_000)] = 20, form: Shape = None
    ) -> Response:
        """Audits, newest first, each with what it found over all months. `GET /api/audit/{run_id}` has the months."""
        found = await gold.query(SQL["report_audits"], limit=limit, parameters={"limit": limit})
        if (shape := wanted(request, form)) != "json":
            return await as_response(found, shape)
        listed = Audits(audits=[Audit.model_validate(row) for row in found.table.to_pylist()])
        return Response(listed.model_dump_json(), media_type="application/json")

    @router.get("/quality", responses=tabular)
    async def quality(
        request: Request,
        dataset: Annotated[Dataset, Query(description=f"one of {', '.join(DATASETS)}")] = "crashes",
        first: From = None,
        last: To = None,
        form: Shape = None,
    ) -> Response:
        """Data quality by crash month and column: rows, values that are there, and those set to null with a flag.

        `unparsable` is text that is no value of the column's type, `impossible` a value that the column cannot have.
        What is neither there nor flagged was blank, or said that nothing is known. Without days, the last 12 months.
        """
        _check(first, last)
        if first is None or last is None:
            (reach,) = await rows(gold, "report_reach")
            last = last or (reach["data_through"] or datetime.now(CHICAGO)).date()
            first = first or _months_back(last, _QUALITY_MONTHS - 1)
        span = {"start": first.isoformat(), "end": (last + timedelta(days=1)).isoformat()}
        sql = SQL["report_quality"].replace("{dataset}", dataset)  # one of three names, as its type says
        return await as_response(await gold.query(sql, limit=_MOST, parameters=span), wanted(request, form))

    @router.get("/drifts", responses=tabular)
    async def drifts(request: Request, form: Shape = None) -> Response:
        """Columns of the portal that are new, have vanished or changed their type. Times are in UTC."""
        return await as_response(await gold.query(SQL["report_drifts"], limit=_MOST), wanted(request, form))

    @router.get("/period", responses=nothing)
    async def period(first: From = None, last: To = None) -> Report:
        """The report on a period: what the downloads below print. Without days, the last 30 of the data."""
        return await _report(first, last)

    @router.get("/download/pdf", responses={200: {"content": {"application/pdf": {}}}, **nothing})
    async def pdf(first: From = None, last: To = None) -> Response:
        """The report on a period as a document of two pages."""
        found = await _report(first, last)
        return _download(await asyncio.to_thread(_printed, found), found, "pdf", "application/pdf")

    @router.get("/download/csv", responses={200: {"content": {"text/csv": {}}}, **nothing})
    async def csv(first: From = None, last: To = None) -> Response:
        """The report on a period as a table: a figure a line."""
        found = await _report(first, last)
        return _download(report_csv(found), found, "csv", "text/csv; charset=utf-8")

    async def _report(first: date | None, last: date | None) -> Report:
        _check(first, last)
        return await report(gold, first, last)

    return router


def _check(first: date | None, last: date | None) -> None:
    if first and last and last < first:
        hint = "both days are included"
        raise ApiError(422, "invalid-request", f"to {last} is before from {first}", field="to", hint=hint)


def _midnight(day: date | None, *, days: int = 0) -> str | None:
    """When `day` (or so many days later) begins in Chicago, as UTC."""
    if day is None:
        return None
    local = datetime.combine(day + timedelta(days=days), time(), CHICAGO)
    return local.astimezone(UTC).replace(tzinfo=None).isoformat()


def _months_back(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _sums(counts: list[dict[str, Any]], by: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in counts:
        sums[row[by]] = sums.get(row[by], 0) + row["runs"]
    return sums


def _printed(found: Report) -> bytes:
    from webapp.api.report_pdf import report_pdf  # takes half a second, which the start of the web need not wait for

    return report_pdf(found)


def _download(body: bytes, of: Report, suffix: str, media_type: str) -> Response:
    name = f"chicago-crashes-{of.first}-to-{of.last}.{suffix}"
    return Response(body, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
