"""`/api/runs.csv` is `/api/runs?format=csv`: an address that can be passed on says the format, too."""

from typing import Final, get_args
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from webapp.api.answers import Format

SUFFIXES: Final = {f".{name}": name for name in get_args(Format)}


class Suffix:
    """Middleware that takes the suffix of a path of the API for its `format`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"].startswith("/api/"):
            stem, dot, name = scope["path"].rpartition(".")
            query = scope["query_string"]
            if dot + name in SUFFIXES and "format" not in parse_qs(query.decode("latin-1")):
                said = b"format=" + SUFFIXES[dot + name].encode()
                scope = {
                    **scope,
                    "path": stem,
                    "raw_path": stem.encode(),
                    "query_string": query + b"&" * bool(query) + said,
                }
        await self.app(scope, receive, send)
