"""`/api/session`: signing in with the API token, for pages that change state."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Cookie, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from streams.settings import Settings
from webapp import session
from webapp.errors import ERRORS, ApiError, ErrorEnvelope


class SignIn(BaseModel):
    """The token that this service was started with."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=500, description="the value of CRASH_API_TOKEN")


class Session(BaseModel):
    """Whether this browser may change anything."""

    signed_in: bool
    writing: bool = Field(description="false where no token is set: then nobody may change anything over HTTP")


def routes(settings: Settings) -> APIRouter:
    """The routes of signing in and out."""
    router = APIRouter(tags=["session"], responses=ERRORS)
    token = settings.api_token

    @router.get("/api/session")
    async def look(given: Annotated[str | None, Cookie(alias=session.COOKIE)] = None) -> Session:
        """Whether the cookie that came with this request lets its sender change things."""
        signed_in = bool(token and given and session.valid(given, token))
        return Session(signed_in=signed_in, writing=token is not None)

    @router.post("/api/session", responses={401: {"model": ErrorEnvelope, "description": "the token is wrong"}})
    async def sign_in(body: SignIn, request: Request, response: Response) -> Session:
        """Sign in: the answer sets a cookie that stands for the token for twelve hours."""
        if token is None or not secrets.compare_digest(body.token.encode(), token.encode()):
            raise ApiError(
                401,
                "unauthorized",
                "this is not the token that the service was started with",
                field="token",
                hint="`crash-stream up` prints it; elsewhere it is the value of CRASH_API_TOKEN",
            )
        response.set_cookie(
            session.COOKIE,
            session.issue(token),
            max_age=session.SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return Session(signed_in=True, writing=True)

    @router.delete("/api/session", status_code=204)
    async def sign_out(response: Response) -> None:
        """Forget the session in this browser."""
        response.delete_cookie(session.COOKIE, httponly=True, samesite="strict")

    return router
