"""`GET /api/gold/status|peek|query`: what is in Gold, a look at it, and any question to it."""

from datetime import datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from streams.storage.gold.client import GoldClient
from webapp.api.answers import Format, as_response, wanted
from webapp.errors import ERRORS, ErrorEnvelope

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
    data_through: datetime | None = Field(description="time of the newest crash, Chicago's")
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


def routes(gold: GoldClient) -> APIRouter:
    """The routes that read Gold."""
    router = APIRouter(tags=["gold"], responses=ERRORS)
    tabular = {
        "description": "The rows, as JSON, CSV or Arrow",
        "model": Rows,
        "content": {"text/csv": {}, "application/vnd.apache.arrow.stream": {}},
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
        return await as_response(await gold.query(sql, limit=limit), wanted(request, form))

    return router
