"""`POST /api/fetch/publish`: ask for a copy of a span of days, or for what was published lately."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from streams.publisher import Emit
from streams.records import BackfillRequest, Identifier, PollRequest
from streams.topics import BACKFILL_REQUESTS, POLL_REQUESTS
from webapp.api.span import Span
from webapp.errors import ERRORS, ApiError, ErrorEnvelope


class FetchRequest(Span):
    """What to copy, with vehicles and people.

    `backfill`: crashes from `start` (inclusive) to `end` (exclusive). `streaming`: whatever was published in the last
    `since_days` days, in the copy's extent.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"mode": "backfill", "start": "2024-01-01", "end": "2024-02-01"},
                {"mode": "streaming", "since_days": 30},
            ]
        },
    )

    mode: Literal["backfill", "streaming"] = Field(description="by crash date, or by time of publication")
    since_days: int | None = Field(None, ge=1, le=20_000, description="streaming only: how far to look back")
    request_id: Identifier | None = Field(None, description="names the run; the same id again is the same run")


class Accepted(BaseModel):
    """The request is on its topic; `GET /api/runs/{run_id}` follows each of its runs."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"request_id": "api-3f1c9a2b7d40", "run_ids": ["api-3f1c9a2b7d40"]}]}
    )

    request_id: str
    run_ids: tuple[str, ...]


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
        """Publish a request to copy rows. It is carried out as soon as a worker is free."""
        request_id = request.request_id or f"api-{uuid4().hex[:12]}"
        if request.mode == "backfill":
            await emit(BACKFILL_REQUESTS, backfill(request, request_id))
            return Accepted(request_id=request_id, run_ids=(request_id,))
        asked = polls(request, request_id)
        for poll in asked:
            await emit(POLL_REQUESTS, poll)
        return Accepted(request_id=request_id, run_ids=tuple(poll.run_id for poll in asked))

    return router


def backfill(request: FetchRequest, request_id: str) -> BackfillRequest:
    """What a request of mode `backfill` publishes. Raises `ApiError` naming what is missing, or does not belong."""
    _absent("since_days", request.since_days, "streaming")
    return BackfillRequest(
        request_id=request_id,
        start=_given("start", request.start),
        end=_given("end", request.end),
        datasets=request.datasets,
    )


def polls(request: FetchRequest, request_id: str) -> list[PollRequest]:
    """What a request of mode `streaming` publishes: a poll of each dataset, which is a run of its own."""
    _absent("start", request.start, "backfill")
    _absent("end", request.end, "backfill")
    since = datetime.now(UTC) - timedelta(days=request.since_days) if request.since_days else None
    return [PollRequest(run_id=f"{request_id}-{name}", dataset=name, since=since) for name in request.datasets]


def _absent(field: str, value: object, mode: str) -> None:
    if value is not None:
        raise ApiError(422, "invalid-request", f"{field} goes with mode {mode}", field=field, hint=f"leave {field} out")


def _given(field: str, day: date | None) -> date:
    if day is None:
        raise ApiError(422, "invalid-request", f"{field} is missing", field=field, hint=f"add {field} as YYYY-MM-DD")
    return day
