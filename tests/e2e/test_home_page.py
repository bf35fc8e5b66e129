"""The home page in a real browser, at the width of a desk and of a phone."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from streams.records import DATASETS, Planned, RunEvent
from tests.e2e.browser import needs_chromium, visit
from tests.e2e.window import Window
from tests.integration.webapp.sample import NOW, RUNNING, write_sample
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
DESK, PHONE = 1440, 390
# How much of the window moved since the page was opened, as browsers measure it; below 0.1 counts as good.
LAYOUT_SHIFT = """() => new Promise(done => new PerformanceObserver(
    list => done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0))
).observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 1000))"""
SOON_MS = 30_000  # a slow machine's first render

expect.set_options(timeout=SOON_MS)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "gold.duckdb"
    write_sample(path)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(filled: Path) -> AsyncIterator[str]:
    async with (
        serve_gold(filled) as gold,
        serve_web(nowhere(filled.parent, gold_port=gold.port), Outbox()) as served,
    ):
        yield served


async def filled_in(page: Page) -> None:
    """Wait until the page shows what Gold holds."""
    await expect(page.locator("#total-crashes")).to_have_text(re.compile(r"\d"))
    await expect(page.locator(".recharts-bar-rectangle").first).to_be_visible()


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_home_shows_the_data_at_every_width(browser: Browser, url: str, width: int, scheme: str) -> None:
    async with visit(browser, url, width=width, height=844, scheme=scheme) as visited:
        page = visited.page
        await filled_in(page)
        answer = await page.request.get(f"{url}/api/gold/status")
        rows = (await answer.json())["rows"]
        for table in ("crashes", "vehicles", "people"):
            await expect(page.locator(f"#total-{table}")).to_have_text(f"{rows[table]:,}")
        await expect(page.locator("#flow-gold")).to_have_text(f"{rows['crashes']:,}")
        await expect(page.locator("#flow-fetch")).to_have_text("9 pages")
        await expect(page.locator("#through")).to_contain_text("Sat, Nov 22, 2025, 11:40 PM")
        await expect(page.locator("#health-disk")).to_contain_text("well")
        await expect(page.locator("#health-broker")).to_contain_text("CRASH_KAFKA_BOOTSTRAP")
        assert await page.locator(".recharts-bar").count() == 4
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await page.evaluate(LAYOUT_SHIFT) < 0.02
        assert visited.complaints == []


async def test_figures_are_there_for_whoever_does_not_see_the_chart(window: Window, url: str) -> None:
    async with window.visit(url) as visited:
        await filled_in(visited.page)
        chart = visited.page.get_by_role("img", name=re.compile("Bar chart: .* crashes from Oct 9 to Nov 22"))
        await expect(chart).to_be_visible()
        await visited.page.get_by_text("Show the figures").click()
        await expect(visited.page.locator(".figures tbody tr")).to_have_count(45)
        bar = visited.page.get_by_role("progressbar", name=re.compile(RUNNING))
        assert 0 < int(await bar.get_attribute("aria-valuenow") or 0) < 100


async def test_the_page_can_be_used_from_the_keyboard(window: Window, url: str) -> None:
    async with window.visit(url) as visited:
        page = visited.page
        await filled_in(page)
        await page.keyboard.press("Tab")
        await expect(page.locator(":focus")).to_have_text("Skip to content")
        await page.keyboard.press("Enter")
        await expect(page.locator("#content")).to_be_focused()
        before = await page.evaluate("document.documentElement.dataset.mantineColorScheme")
        await page.get_by_role("button", name="Switch between light and dark").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("html")).not_to_have_attribute("data-mantine-color-scheme", before)


async def test_news_arrive_by_themselves_and_leave_the_rest_alone(browser: Browser, tmp_path: Path) -> None:
    async with (
        serve_gold(tmp_path / "gold.duckdb") as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), Outbox()) as url,
        visit(browser, url) as visited,
    ):
        page = visited.page
        await expect(page.locator("#runs")).to_contain_text("No run yet")
        await expect(page.locator("#outcomes")).to_contain_text("No crashes yet")
        await page.evaluate("document.querySelector('#outcomes .empty').dataset.mark = 'untouched'")
        news = Planned(kind="news", start=NOW.date(), end=date(2026, 1, 1), datasets=DATASETS, windows=3, rows=9)
        await asyncio.to_thread(gold.gold.note, [RunEvent(run_id="r", at=NOW, event=news)])
        await expect(page.locator("#runs")).to_contain_text("news")
        await expect(page.locator("#outcomes .empty")).to_have_attribute("data-mark", "untouched")
        assert visited.complaints == []


async def test_while_gold_is_away_the_page_keeps_what_it_shows(browser: Browser, tmp_path: Path) -> None:
    write_sample(tmp_path / "gold.duckdb")
    async with AsyncExitStack() as gold_up:
        gold = await gold_up.enter_async_context(serve_gold(tmp_path / "gold.duckdb"))
        async with (
            serve_web(nowhere(tmp_path, gold_port=gold.port), Outbox()) as url,
            visit(browser, url) as visited,
        ):
            await filled_in(visited.page)
            crashes = await visited.page.locator("#total-crashes").inner_text()
            await gold_up.aclose()
            await expect(visited.page.locator("#notice")).to_contain_text("crash-stream gold")
            await expect(visited.page.locator("#total-crashes")).to_have_text(crashes)
            assert visited.complaints == []


@pytest.mark.parametrize("width", [DESK, PHONE])
async def test_the_api_page_needs_no_network(window: Window, url: str, width: int) -> None:
    async with window.visit(f"{url}/docs", width=width, height=844) as visited:
        await expect(visited.page.get_by_text("/api/fetch/publish").first).to_be_visible()
        description = await (await visited.page.request.get(f"{url}/openapi.json")).json()
        await expect(visited.page.locator(".route")).to_have_count(
            sum(len(methods) for methods in description["paths"].values())
        )
        assert await visited.page.evaluate("document.documentElement.scrollWidth") == width
        assert visited.complaints == []
