"""The forecast in a real browser: what is expected, of the city and of a beat, and how the methods did."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from agents.expect import expect as take_in
from agents.forecast import make_forecast
from streams.records import ForecastReady, Record
from streams.storage.forecasts import Forecasts
from streams.storage.gold.client import GoldClient
from streams.topics import Topic
from tests.e2e.browser import needs_chromium, visit
from tests.e2e.window import Window
from tests.embedded_s3 import shared_objects
from tests.integration.test_forecast import fill
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
expect.set_options(timeout=30_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("forecast")
    fill(folder / "gold.duckdb", 100)
    sent: list[ForecastReady] = []

    async def emit(_: Topic, record: Record) -> None:
        sent.append(ForecastReady.decode(record.encode()))

    async with (
        serve_gold(folder / "gold.duckdb") as gold,
        GoldClient(f"http://127.0.0.1:{gold.port}") as client,
        shared_objects() as objects,
        serve_web(nowhere(folder, gold_port=gold.port), Outbox()) as served,
    ):
        forecasts = Forecasts(objects)
        await make_forecast("100 days", client, forecasts, emit)
        await take_in(sent, forecasts, gold.gold)
        yield served


async def test_a_forecast_is_shown_for_the_city_and_for_a_beat(window: Window, url: str) -> None:
    async with window.visit(f"{url}/forecast") as visited:
        page = visited.page
        await expect(page.get_by_role("img", name=re.compile("Line chart of the whole city"))).to_be_visible()
        ahead = (await (await page.request.get(f"{url}/api/forecast?measure=crashes")).json())["rows"]
        await page.get_by_text("Show the figures").click()
        figures = page.get_by_role("region", name="Crashes to be expected, by day")
        await expect(figures.locator("tbody tr")).to_have_count(14)
        await expect(figures).to_contain_text(f"{ahead[0]['low_80']:,} to {ahead[0]['high_80']:,}")
        await expect(page.locator("#forecast-tests")).to_contain_text("is served, tried from")

        await page.get_by_text("Crashes with an injury", exact=True).click()
        await page.get_by_label("Where").first.click()
        await page.get_by_role("option", name="Beat 105").click()
        await expect(
            page.get_by_role("img", name=re.compile("Line chart of beat 105: crashes with an injury"))
        ).to_be_visible()
        await expect(page).to_have_url(re.compile("measure=injuries&beat=105"))
        link = page.get_by_role("link", name="CSV of the forecast")
        text = await (await page.request.get(url + (await link.get_attribute("href") or ""))).text()
        assert len(text.splitlines()) == 15
        assert visited.complaints == []
        address = page.url
    async with window.visit(address, width=390, height=844) as visited:
        await expect(visited.page.get_by_role("img", name=re.compile("beat 105: crashes with"))).to_be_visible()
        assert await visited.page.evaluate("document.documentElement.scrollWidth") == 390
        assert visited.complaints == []


async def test_while_there_is_no_forecast_the_page_says_what_is_needed(browser: Browser, tmp_path: Path) -> None:
    async with (
        serve_gold(tmp_path / "gold.duckdb") as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), Outbox()) as url,
        visit(browser, f"{url}/forecast?beat=nowhere&days=7&measure=luck") as visited,
    ):
        await expect(visited.page.locator("#forecast-figure")).to_contain_text("seven complete days")
        await expect(visited.page).to_have_url(re.compile("measure=crashes&beat=city&days=60"))
        assert visited.complaints == []
