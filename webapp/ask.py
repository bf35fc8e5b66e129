"""Pages ask the API, inside their own process.

So what a page shows a program can have, too, and who may do what is said in one place.
"""

from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpx
from dash import ctx
from starlette.types import ASGIApp

from webapp.errors import Error
from webapp.session import COOKIE

# Whom the API takes such requests to be from; no address of a network is called so.
INSIDE: Final = "inside"


class Refused(Exception):
    """The API's answer was an error: `error` is what its envelope says, `status` its HTTP status."""

    def __init__(self, status: int, error: Error) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error


class Ask:
    """Asks routes of the API as the person who sits before the page; every method raises `Refused`."""

    def __init__(self, app: ASGIApp) -> None:
        transport = httpx.ASGITransport(app=app, client=(INSIDE, 0), raise_app_exceptions=False)
        # A jar of its own would keep the session of whoever signs in, and send it for everybody.
        none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        self._client = httpx.AsyncClient(transport=transport, base_url=f"http://{INSIDE}", cookies=none)

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON that `GET path` answers with; None leaves a parameter out."""
        return (await self.request("GET", path, query=query)).json()

    async def post(self, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON that `POST path` answers with."""
        return _json(await self.request("POST", path, body, query))

    async def put(self, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON that `PUT path` answers with."""
        return _json(await self.request("PUT", path, body, query))

    async def delete(self, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON that `DELETE path` answers with."""
        return _json(await self.request("DELETE", path, body, query))

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: dict[str, Any] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """The whole answer; `content` sends bytes as they are, in place of JSON."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        response = await self._client.request(
            method, path, params=given, json=body, content=content, headers={**_session(), **(headers or {})}
        )
        if response.is_error:
            raise Refused(response.status_code, Error.model_validate(response.json()["error"]))
        return response


def _session() -> dict[str, str]:
    """The cookie of who is signed in."""
    session = ctx.cookies.get(COOKIE)
    return {"Cookie": f"{COOKIE}={session}"} if session else {}


def _json(response: httpx.Response) -> Any:
    return response.json() if response.content else None
