"""Every page over a running service: it draws, fits a desk and a phone, is quiet, and can be used by everybody."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from tests.e2e.browser import chromium, needs_chromium, visit
from tests.e2e.running import Running
from webapp.pages.book import PAGES

pytestmark = [needs_chromium, pytest.mark.timeout(300)]
TOKEN = "a-token-for-the-pages"
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
GRAVE = ("serious", "critical")
PATHS = ["/", *(page.path for page in PAGES), "/docs"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    arguments = ("--portal", "simulated", "--portal-crashes", "4500")
    with Running(tmp_path_factory.mktemp("pages") / "data", *arguments, since="all", api_token=TOKEN) as running:
        running.wait_until("select count(distinct target) = 2 from scores")
        yield running


@pytest.fixture(scope="module")
def names(service: Running) -> dict[str, str]:
    """What stands in the angle brackets of a path."""
    (row,) = service.ask(
        "select max(crash_record_id) as crash_id, max(model_version) as version, (select max(run_id) from runs) as run_id"
        " from scores"
    )
    return row


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as opened:
        yield opened


async def settle(page: Page) -> None:
    """Wait until nothing is being asked for and nothing is about to be drawn."""
    await page.wait_for_selector("main h1")
    await page.wait_for_function(
        "!document.querySelector('[data-dash-is-loading]') && document.title !== 'Updating...'", timeout=60_000
    )
    await page.wait_for_timeout(1500)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_whole_at_every_width(
    service: Running, names: dict[str, str], browser: Browser, path: str
) -> None:
    for name, value in names.items():
        path = path.replace(f"<{name}>", value)
    async with visit(browser, f"http://127.0.0.1:{service.services.web_port}{path}") as visited:
        page = visited.page
        await settle(page)
        assert await page.locator("main h1").count() == 1
        assert await page.locator("main .notice[role=alert]").all_inner_texts() == []
        found = await Axe().run(page, options=AXE)
        grave = [
            f"{violation['id']}: {violation['help']}: {[node['html'][:160] for node in violation['nodes'][:4]]}"
            for violation in found.response["violations"]
            if violation["impact"] in GRAVE
        ]
        assert grave == []
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.wait_for_timeout(500)
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        assert visited.complaints == []
