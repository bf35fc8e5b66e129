"""Debian's Chromium, driven by Playwright; it reaches nothing but the page under test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)

needs_chromium = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed: apt-get install chromium"
)


@dataclass
class Visit:
    """A page, and everything that went wrong on it: console errors, exceptions, requests that failed or left us."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visit(
    browser: Browser, url: str, *, width: int = 1440, height: int = 1000, scheme: Literal["light", "dark"] = "light"
) -> AsyncIterator[Visit]:
    """Open `url` in a window of its own."""
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = await context.new_page()
    visited = Visit(page)
    note = visited.complaints.append
    origin = "/".join(url.split("/")[:3])
    page.on("console", lambda said: note(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: note(str(error)))
    page.on("requestfailed", lambda request: note(f"failed: {request.url} {request.failure}"))
    page.on("response", lambda answer: note(f"{answer.status}: {answer.url}") if answer.status >= 400 else None)
    page.on(
        "request",
        lambda request: note(f"left for {request.url}") if not request.url.startswith((origin, "data:")) else None,
    )
    try:
        await page.goto(url)
        yield visited
    except Exception as error:
        fields = await page.evaluate("[...document.querySelectorAll('input')].map(each => [each.id, each.value])")
        error.add_note(f"at {page.url}, which complained {visited.complaints}, with the fields {fields}")
        raise
    finally:
        await context.close()
