"""Take the screenshots anew: `python -m docs.screenshots.take`.

A whole service over a simulated city, in Debian's Chromium: every page as a desk and as a phone show it.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, expect

from tests.e2e.browser import chromium, visit
from tests.e2e.running import Running
from webapp.pages.book import PAGES

FOLDER = Path(__file__).parent
WIDTHS = {"desktop": 1440, "phone": 390}
# What stands in the angle brackets of a path.
NAMES = (
    "select max(crash_record_id) as crash_id, max(model_version) as version,"
    " (select max(run_id) from runs where crashes_changed > 0) as run_id from scores"
)


def main() -> None:
    """Start the service, and take all of them."""
    with tempfile.TemporaryDirectory() as scratch:
        arguments = ("--portal", "simulated", "--portal-crashes", "9000")
        with Running(Path(scratch) / "data", *arguments, since="all") as service:
            service.wait_until("select count(distinct target) = 2 from scores", 300)
            (names,) = service.ask(NAMES)
            asyncio.run(take(f"http://127.0.0.1:{service.services.web_port}", names))


async def take(url: str, names: dict[str, str]) -> None:
    """Write a picture of each page and width to this folder."""
    async with chromium() as browser:
        for path in ("/", *(page.path for page in PAGES)):
            name = path.strip("/").split("/")[0] or "home"
            for given, value in names.items():
                path = path.replace(f"<{given}>", value)
            for width in WIDTHS:
                await shoot(browser, url + path, name, width)
        await shoot(browser, url, "home", "desktop", "dark")


async def shoot(browser: Browser, url: str, name: str, width: str, scheme: Literal["light", "dark"] = "light") -> None:
    """Write `name-width.png`, once the page is drawn."""
    async with visit(browser, url, width=WIDTHS[width], height=900, scheme=scheme) as visited:
        await expect(visited.page.locator("main h1")).to_be_visible(timeout=30_000)
        await expect(visited.page.locator("[data-dash-is-loading=true]")).to_have_count(0, timeout=30_000)
        await visited.page.wait_for_timeout(4000)
        dark = "-dark" if scheme == "dark" else ""
        # The first screen or two: what one sees, and no picture of a hundred rows.
        clip = {"x": 0, "y": 0, "width": WIDTHS[width], "height": 1400 if width == "desktop" else 1600}
        await visited.page.screenshot(path=FOLDER / f"{name}-{width}{dark}.png", full_page=True, clip=clip)


if __name__ == "__main__":
    main()
