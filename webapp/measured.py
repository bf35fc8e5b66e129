"""How many requests there were, and how long each took: for Prometheus, by route."""

import time

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitoring.metrics import API_REQUESTS, API_SECONDS


class Measured:
    """Middleware that counts what the API answers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/api/"):
            await self.app(scope, receive, send)
            return
        begun = time.monotonic()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                # The route, not the path: a path has ids in it, and there is no end of those.
                route = getattr(scope.get("route"), "path", "none")
                API_REQUESTS.labels(route, scope["method"], message["status"]).inc()
                API_SECONDS.labels(route).observe(time.monotonic() - begun)
            await send(message)

        await self.app(scope, receive, send_counted)


async def metrics(_: Request) -> Response:
    """`GET /metrics`, in Prometheus' format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
