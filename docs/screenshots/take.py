"""Take the screenshots anew: `python -m docs.screenshots.take`.

The real app over a small made-up Gold, with every part running, in Debian's Chromium.
"""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import expect

from tests.e2e.browser import chromium, visit
from tests.integration.webapp.parts import running_parts
from tests.integration.webapp.sample import write_sample
from tests.integration.webapp.serving import Outbox, serve_web

FOLDER = Path(__file__).parent
SHOTS = (
    ("desktop", 1440, "light"),
    ("phone", 390, "light"),
    ("desktop-dark", 1440, "dark"),
    ("phone-dark", 390, "dark"),
)


async def take(folder: Path) -> None:
    """Write home-*.png to `folder`."""
    with tempfile.TemporaryDirectory() as scratch:
        gold = Path(scratch) / "gold.duckdb"
        await asyncio.to_thread(write_sample, gold)
        async with (
            running_parts(Path(scratch), gold) as parts,
            serve_web(parts.settings, Outbox()) as url,
            chromium() as browser,
        ):
            for name, width, scheme in SHOTS:
                async with visit(browser, url, width=width, height=900, scheme=scheme) as visited:
                    await expect(visited.page.locator(".recharts-bar-rectangle").first).to_be_visible(timeout=30_000)
                    await expect(visited.page.locator(".health-well")).to_have_count(6, timeout=30_000)
                    await visited.page.screenshot(path=folder / f"home-{name}.png", full_page=True)


if __name__ == "__main__":
    asyncio.run(take(FOLDER))
