"""What every answer carries (request id, security headers), and the token that writing routes ask for."""

import re
import secrets
from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.settings import Settings
from webapp import session
from webapp.errors import ApiError, Error, envelope

log = structlog.get_logger()

REQUEST_ID: Final = re.compile(r"[\w.-]{1,64}")
BEARER: Final = HTTPBearer(auto_error=False, description="The value of CRASH_API_TOKEN")
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def content_policy(script_hashes: list[str]) -> str:
    """The Content-Security-Policy: scripts, styles and data from here alone, inline scripts only by their hash.

    Mantine sets colours and sizes through style attributes, so inline styles have to be let in.
    """
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {' '.join(script_hashes)}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class Guard:
    """Outermost middleware: gives each request its id, each answer its headers, and each crash an envelope."""

    def __init__(self, app: ASGIApp, policy: Callable[[], str]) -> None:
        self.app = app
        self.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = request_id
        begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers.update({**HEADERS, "X-Request-ID": request_id})
                headers["Content-Security-Policy"] = self.policy()
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, send_guarded)
        except Exception:
            log.exception("request failed", path=scope["path"], request_id=request_id)
            if begun:
                raise
            said = Error(
                code="internal",
                message="this should not have happened",
                hint=f"look for {request_id} in the log of the web process",
            )
            await envelope(Request(scope), 500, said)(scope, receive, send_guarded)


def writer(settings: Settings) -> Callable[..., None]:
    """A dependency that lets a request through only with the token of `CRASH_API_TOKEN`, or signed in with it."""
    token = settings.api_token

    def check(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
        if token is None:
            raise ApiError(
                403,
                "writing-disabled",
                "no token is set, so nothing may be changed over HTTP",
                hint="set CRASH_API_TOKEN to a secret of 8 characters or more, and restart the web process",
            )
        kept = request.cookies.get(session.COOKIE)
        if given is None and kept and session.valid(kept, token) and _same_site(request):
            return
        if given is None or not secrets.compare_digest(given.credentials.encode(), token.encode()):
            raise ApiError(
                401,
                "unauthorized",
                "the API token is missing" if given is None else "the API token is wrong",
                field="Authorization",
                hint="send the header Authorization: Bearer <CRASH_API_TOKEN>; on the pages, sign in",
            )

    return check


def _same_site(request: Request) -> bool:
    """Whether a page of ours sent it, as far as a browser says: another port of this host is not ours either."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
