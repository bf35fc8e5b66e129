"""A window of the browser that tests use one after another.

A new window loads and compiles all scripts of the service anew, which takes the processor four seconds.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

from playwright.async_api import Browser

from tests.e2e.browser import Visit, visit


class Window:
    """To be entered with ``async with``; all that is visited in it is of one service."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open = AsyncExitStack()
        self._visited: Visit | None = None

    async def __aenter__(self) -> "Window":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @asynccontextmanager
    async def visit(
        self, url: str, *, width: int = 1440, height: int = 1000, scheme: Literal["light", "dark"] = "light"
    ) -> AsyncIterator[Visit]:
        """As `browser.visit`: nothing is left of who was here before but what never changes."""
        if self._visited is None:
            opening = visit(self._browser, url, width=width, height=height, scheme=scheme)
            visited = self._visited = await self._open.enter_async_context(opening)
        else:
            visited = self._visited
            await visited.page.goto("about:blank")
            await visited.page.context.clear_cookies()
            await visited.page.emulate_media(color_scheme=scheme)
            await visited.page.set_viewport_size({"width": width, "height": height})
            visited.complaints.clear()
            await visited.page.goto(url)
        try:
            yield visited
        except Exception as error:
            error.add_note(f"at {visited.page.url}, which complained {visited.complaints}")
            raise
        finally:
            await visited.page.evaluate("localStorage.clear(), sessionStorage.clear()")
