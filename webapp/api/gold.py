"""`/api/gold/…`: what is in Gold, a look at it, any question to it; to build it again, and to wipe it."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from streams.storage.gold.client import GoldClient
from webapp.api.answers import TABULAR, Format, as_response, wanted
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.times import Time

log = structlog.get_logger()

# Newest first, where a table has a time.
PEEKS: Final = {
    "crashes": "SELECT * FROM crashes ORDER BY crash_date DESC NULLS LAST, crash_record_id",
    "vehicles": "SELECT * FROM vehicles ORDER BY crash_date DESC NULLS LAST, crash_unit_id",
    "people": "SELECT * FROM people ORDER BY crash_date DESC NULLS LAST, person_id",
    "runs": "SELECT * FROM runs ORDER BY requested_at DESC NULLS LAST",
    "dead_letters": "SELECT * FROM dead_letters ORDER BY failed_at DESC",
}
Peek = Literal["crashes", "vehicles", "people", "runs", "dead_letters"]

Shape = Annotated[Format | None, Query(alias="format", description="or say it with the header Accept")]


class GoldStatus(BaseModel):
    """Gold in numbers."""

    rows: dict[str, int] = Field(description="by table")
    months: int = Field(description="crash months that Gold holds")
    data_through: Time | None = Field(description="time of the newest crash, Chicago's")
    file_bytes: int
    version: int = Field(description="counts the commits")


class Column(BaseModel):
    """A column of an answer, with its Arrow type."""

    name: str
    type: str


class Rows(BaseModel):
    """Rows of an answer. Times are as published: local to Chicago, but for columns that end in `_at`, in UTC."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "columns": [{"name": "hour", "type": "int32"}, {"name": "crashes", "type": "int64"}],
                    "rows": [{"hour": 17, "crashes": 812}],
                    "truncated": False,
                }
            ]
        }
    )

    columns: list[Column]
    rows: list[dict[str, object]]
    truncated: bool = Field(description="true when there are more rows than `limit`")


class RebuildProgress(BaseModel):
    """How far the last rebuild is. `put_in` and `taken_out` count the rows that were not as they should be."""

    state: Literal["idle", "running", "done", "failed"]
    months: int
    done: int = Field(description="months loaded")
    put_in: int
    taken_out: int
    started_at: Time | None
    error: str | None


class Wiped(BaseModel):
    """Rows taken out by table, or with `dry_run` those that would be, and what that means."""

    name: str = Field("gold", description="what `confirm` has to be")
    rows: dict[str, int]
    deleted: bool
    lost: str
    heals: str


WIPED: Final = ("crashes", "vehicles", "people", "scores")
LOST: Final = (
    "Crashes, vehicles, people and their scores, until they are loaded again. Runs, dead letters, audits, schedules, "
    "trainings, forecasts and measurements stay: Silver could not give them again."
)
HEALS: Final = (
    "A rebuild loads every month from Silver, and so does a restart of the gold process. A month whose rows change "
    "before that comes back by itself, whole."
)


def routes(gold: GoldClient, token: str | None, may_write: Callable[..., None]) -> APIRouter:
    """The routes that read Gold, and two that have its owner change it, who asks for `token`."""
    router = APIRouter(tags=["gold"], responses=ERRORS)
    tabular = {
        "description": "The rows, as JSON, CSV, Arrow or Parquet",
        "model": Rows,
        "content": TABULAR,
    }

    @router.get("/api/gold/status")
    async def status() -> GoldStatus:
        """Rows of each table, size of the file, and the time of the newest crash."""
        return GoldStatus.model_validate(await gold.status())

    @router.get("/api/gold/peek", responses={200: tabular})
    async def peek(
        request: Request,
        table: Annotated[Peek, Query(description="the table to look at")] = "crashes",
        limit: Annotated[int, Query(ge=1, le=1000)] = 20,
        form: Shape = None,
    ) -> Response:
        """The newest rows of a table."""
        return await as_response(await gold.query(PEEKS[table], limit=limit), wanted(request, form))

    @router.get(
        "/api/gold/query",
        responses={200: tabular, 400: {"model": ErrorEnvelope, "description": "the SQL is not a single read"}},
    )
    async def query(
        request: Request,
        sql: Annotated[
            str,
            Query(
                min_length=1,
                max_length=20_000,
                description="one SELECT in DuckDB's SQL",
                examples=["SELECT hour, count(*) AS crashes FROM crashes GROUP BY hour ORDER BY hour"],
            ),
        ],
        limit: Annotated[int, Query(ge=1, le=100_000)] = 1000,
        form: Shape = None,
    ) -> Response:
        """Rows for a question in SQL. It can reach no file and no network, and has limits of time and memory."""
        return await as_response(await gold.query(sql, limit=limit, lane="people"), wanted(request, form))

    refused: dict[int | str, dict[str, Any]] = {code: {"model": ErrorEnvelope} for code in (401, 403)}

    @router.get("/api/gold/rebuild")
    async def rebuilding() -> RebuildProgress:
        """How far the last rebuild is; `idle` where there was none since the gold process began."""
        return RebuildProgress.model_validate(await gold.rebuilding())

    @router.post("/api/gold/rebuild", status_code=202, dependencies=[Depends(may_write)], responses=refused)
    async def rebuild() -> RebuildProgress:
        """Load every month whole from Silver, and take out what no month has; queries and loads go on.

        While a rebuild is under way, this is that one.
        """
        return RebuildProgress.model_validate(await gold.rebuild(token))

    @router.delete("/api/gold/wipe", dependencies=[Depends(may_write)], responses=refused)
    async def wipe(
        confirm: Annotated[str, Query(max_length=100, description="the word `gold`, typed out")] = "",
        dry_run: Annotated[bool, Query(description="only say what would be taken out; needs no confirm")] = False,
    ) -> Wiped:
        """Take out every crash, vehicle, person and score. Not while Gold is being rebuilt: 503 then."""
        if dry_run:
            return _wiped((await gold.status())["rows"], deleted=False)
        if confirm != "gold":
            message = f"confirm: {confirm!r} is not 'gold'" if confirm else "confirm is missing"
            raise ApiError(422, "invalid-request", message, field="confirm", hint="add confirm=gold")
        rows = await gold.wipe(token)
        log.warning("Gold wiped", rows=rows)
        return _wiped(rows, deleted=True)

    return router


def _wiped(rows: Mapping[str, int], *, deleted: bool) -> Wiped:
    return Wiped(rows={name: rows[name] for name in WIPED}, deleted=deleted, lost=LOST, heals=HEALS)
