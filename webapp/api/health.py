"""`GET /api/health`: is every part well?"""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from monitoring.health import Check, Health
from webapp.errors import Error, ErrorEnvelope, envelope


class Part(BaseModel):
    """How one part is."""

    part: str
    ok: bool
    detail: str
    remedy: str | None


class Wellness(BaseModel):
    """How all parts are."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "well": True,
                    "parts": [{"part": "broker", "ok": True, "detail": "answers at 127.0.0.1:9092", "remedy": None}],
                }
            ]
        }
    )

    well: bool
    parts: list[Part]


class Illness(ErrorEnvelope):
    """An error envelope that also says how all parts are."""

    well: bool
    parts: list[Part]


def routes(health: Health) -> APIRouter:
    """The routes about health."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/api/health",
        response_model=Wellness,
        responses={503: {"model": Illness, "description": "a part is not well; `parts` says which and what to do"}},
    )
    async def how_well(request: Request) -> Response:
        """Whether portal, broker, store, worker, Gold and disk are well. A part's state may be a few seconds old."""
        checks = await health.checks()
        parts: list[dict[str, Any]] = [asdict(check) for check in checks]
        ill = [check for check in checks if not check.ok]
        if not ill:
            return JSONResponse({"well": True, "parts": parts})
        return envelope(request, 503, _error(ill), well=False, parts=parts)

    return router


def _error(ill: list[Check]) -> Error:
    return Error(
        code="not-well",
        message="; ".join(f"{check.part}: {check.detail}" for check in ill),
        hint="; ".join(f"{check.part}: {check.remedy}" for check in ill),
    )
