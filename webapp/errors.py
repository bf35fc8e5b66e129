"""One envelope for every error of the API: `{"error": {code, message, field, hint}, "request_id"}`."""

import re
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from streams.errors import (
    CrashStreamError,
    GoldBusy,
    GoldDenied,
    GoldUnavailable,
    ModelMissing,
    PortalError,
    QueryLimit,
    QueryRefused,
    RequestError,
    RowMissing,
)

DOCS_HINT: Final = "see /docs for what this route takes"


class Error(BaseModel):
    """What went wrong, and what to do about it."""

    code: str = Field(description="stable, for programs")
    message: str = Field(description="for people")
    field: str | None = Field(None, description="the input at fault, if one is")
    hint: str | None = Field(None, description="what to do next")


class ErrorEnvelope(BaseModel):
    """Every answer of status 400 and above."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "code": "invalid-request",
                        "message": "end: 2024-01-01 must be after start 2024-02-01; end is exclusive",
                        "field": "end",
                        "hint": DOCS_HINT,
                    },
                    "request_id": "0f6c1f0e5b1d4d3c",
                }
            ]
        }
    )

    error: Error
    request_id: str = Field(description="also in the header X-Request-ID and in the log")


# What each route documents beside its own answers.
ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ErrorEnvelope, "description": "an input is wrong; `field` names it"},
    503: {"model": ErrorEnvelope, "description": "a part of the service is away; try again"},
}


class ApiError(Exception):
    """An error that belongs to HTTP alone, such as a missing token."""

    def __init__(
        self, status: int, code: str, message: str, *, field: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = Error(code=code, message=message, field=field, hint=hint)


STATUS_OF: Final[tuple[tuple[type[CrashStreamError], int], ...]] = (
    (QueryRefused, 400),
    (GoldDenied, 403),
    (RowMissing, 404),
    (ModelMissing, 404),
    (QueryLimit, 422),
    (PortalError, 502),
    (RequestError, 422),
)

REMEDIES: Final = {
    "missing": "add {field}",
    "extra_forbidden": "leave {field} out; /docs lists what this route takes",
    "json_invalid": "send a JSON object, with Content-Type: application/json",
}


def handle_errors(app: FastAPI) -> None:
    """Make every error of ``app`` leave in the envelope."""

    @app.exception_handler(ApiError)
    async def api_error(request: Request, error: ApiError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else None
        return envelope(request, error.status, error.error, headers)

    @app.exception_handler(CrashStreamError)
    async def service_error(request: Request, error: CrashStreamError) -> JSONResponse:
        hint = error.hint
        if hint is None and isinstance(error, GoldUnavailable | GoldBusy):
            hint = "try again in a moment; GET /api/health says which part is away"
        said = Error(code=code_of(error), message=error.message, field=error.field, hint=hint)
        return envelope(request, status_of(error), said, {"Retry-After": "5"} if error.retriable else None)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return envelope(request, 422, explain(error.errors()[0]))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> JSONResponse:
        codes = {404: "not-found", 405: "method-not-allowed"}
        said = Error(
            code=codes.get(error.status_code, "refused"),
            message=f"{request.method} {request.url.path}: {error.detail}",
            hint="see /docs for the routes",
        )
        return envelope(request, error.status_code, said, dict(error.headers or {}))


def envelope(
    request: Request, status: int, error: Error, headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    """The error as a response; ``more`` are further fields of the body, which it must be able to carry as JSON."""
    body = {"error": error.model_dump(), "request_id": request.state.request_id, **more}
    return JSONResponse(body, status, headers)


def status_of(error: CrashStreamError) -> int:
    """The HTTP status for an error of the service."""
    if error.retriable:
        return 503
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)


def code_of(error: CrashStreamError) -> str:
    """The name of the error's type in kebab case: `QueryRefused` is `query-refused`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()


def explain(problem: dict[str, Any]) -> Error:
    """The first problem that validation found, with the field named as the caller knows it."""
    # loc begins with where the input stood (body, query, path), and in a body that is no JSON goes on with a position.
    path = [str(part) for part in problem["loc"][1:]] if problem["type"] != "json_invalid" else []
    field = ".".join(path) or None
    reason = str(problem["msg"]).removeprefix("Value error, ")
    return Error(
        code="invalid-request",
        message=f"{field}: {reason}" if field else reason,
        field=field,
        hint=REMEDIES.get(problem["type"], DOCS_HINT).format(field=field or "a JSON body"),
    )
