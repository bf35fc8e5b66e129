"""`/api/audit`: have the copy compared with the portal, and read what was found."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from streams.publisher import Emit
from streams.records import AuditRequest, Identifier
from streams.storage.gold.client import GoldClient
from streams.topics import AUDIT_REQUESTS
from webapp.api.span import Span
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.queries import rows


class AuditOrder(Span):
    """What to compare. Without `start`, from the first day of the copy; without `end`, to today."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"start": "2024-01-01", "end": "2024-02-01"}]})

    thorough: bool = Field(False, description="compare the keys of every month, not only where the counts differ")
    accept_deletions: bool = Field(False, description="believe it when the portal lacks a large share of a month")
    run_id: Identifier | None = Field(None, description="names the run; the same id again is the same run")


class Ordered(BaseModel):
    """The request is on its topic; `GET /api/audit/{run_id}` reads what was found."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"run_id": "audit-3f1c9a2b7d40"}]})

    run_id: str


def routes(gold: GoldClient, emit: Emit, may_write: Callable[..., None]) -> APIRouter:
    """The routes about audits; ``may_write`` is the dependency that checks the token."""
    router = APIRouter(tags=["audit"], responses=ERRORS)
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ErrorEnvelope} for code in (401, 403)}
    absent: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope}}

    @router.post("/api/audit", status_code=202, dependencies=[Depends(may_write)], responses=refused)
    async def order(wanted: AuditOrder) -> Ordered:
        """Have the copy compared with the portal: what is missing is fetched, what is gone leaves the copy."""
        fields = wanted.model_dump() | {"run_id": wanted.run_id or f"audit-{uuid4().hex[:12]}"}
        request = AuditRequest(**fields)
        await emit(AUDIT_REQUESTS, request)
        return Ordered(run_id=request.run_id)

    @router.get("/api/audit", responses=absent)
    async def latest() -> Response:
        """What the newest audit found."""
        found = await rows(gold, "latest_audit")
        if not found:
            raise ApiError(404, "not-found", "there was no audit yet", hint="POST /api/audit asks for one")
        return await _report(gold, found[0]["run_id"])

    @router.get("/api/audit/{run_id:path}", responses=absent)
    async def report(run_id: Annotated[str, Path(max_length=120, examples=["audit-3f1c9a2b7d40"])]) -> Response:
        """What an audit found, by month and table; `agree` says whether all was alike, once that is known."""
        return await _report(gold, run_id)

    return router


async def _report(gold: GoldClient, run_id: str) -> Response:
    run = await rows(gold, "run", run_id=run_id)
    months = await rows(gold, "audit", run_id=run_id)
    if not run or (run[0]["kind"] != "audit" and not months):
        raise ApiError(
            404,
            "not-found",
            f"there is no audit {run_id}",
            field="run_id",
            hint="an audit appears once a worker has compared it; GET /api/runs lists all runs",
        )
    # Until the comparison is over, nobody can say.
    over = run[0]["windows"] is not None
    agree = not any(row["portal"] != row["ours"] or row["missing"] or row["gone"] or row["moved"] for row in months)
    body = to_json(
        {"run": run[0], "agree": agree if over else None, "months": months}, inf_nan_mode="null", fallback=str
    )
    return Response(body, media_type="application/json")
