"""`POST /api/fetch/publish`: ask for a copy of a span of days."""

from collections.abc import Callable
from datetime import date
from typing import Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from streams.publisher import Emit
from streams.records import DATASETS, BackfillRequest, Dataset, Day, Identifier
from streams.topics import BACKFILL_REQUESTS
from webapp.errors import ERRORS, ApiError, ErrorEnvelope


class FetchRequest(BaseModel):
    """What to copy: crashes from `start` (inclusive) to `end` (exclusive), with their vehicles and people."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"mode": "backfill", "start": "2024-01-01", "end": "2024-02-01"}]},
    )

    mode: Literal["backfill", "streaming"] = Field(description="`streaming` is not available yet")
    start: Day | None = Field(None, description="first day of crashes")
    end: Day | None = Field(None, description="the day after the last one")
    datasets: tuple[Dataset, ...] = Field(DATASETS, min_length=1, description="leave out for all three")
    request_id: Identifier | None = Field(None, description="names the run; the same id again is the same run")

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("start")
        if end and start and end <= start:
            raise ValueError(f"{end} must be after start {start}; end is exclusive")
        return end


class Accepted(BaseModel):
    """The request is on its topic; `GET /api/runs/{request_id}` follows it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request_id": "api-3f1c9a2b7d40"}]})

    request_id: str


def routes(emit: Emit, may_write: Callable[..., None]) -> APIRouter:
    """The routes that start a copy; ``may_write`` is the dependency that checks the token."""
    router = APIRouter(tags=["fetch"])
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ErrorEnvelope} for code in (401, 403)}

    @router.post(
        "/api/fetch/publish",
        status_code=202,
        dependencies=[Depends(may_write)],
        responses={**ERRORS, **refused},
    )
    async def publish(request: FetchRequest) -> Accepted:
        """Publish a request to copy a span of days. It is carried out as soon as a worker is free."""
        if request.mode == "streaming":
            raise ApiError(
                422, "not-available", "streaming is not available yet", field="mode", hint="use mode backfill"
            )
        backfill = BackfillRequest(
            request_id=request.request_id or f"api-{uuid4().hex[:12]}",
            start=_given("start", request.start),
            end=_given("end", request.end),
            datasets=request.datasets,
        )
        await emit(BACKFILL_REQUESTS, backfill)
        return Accepted(request_id=backfill.request_id)

    return router


def _given(field: str, day: date | None) -> date:
    if day is None:
        raise ApiError(422, "invalid-request", f"{field} is missing", field=field, hint=f"add {field} as YYYY-MM-DD")
    return day
