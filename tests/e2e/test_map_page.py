"""The live map and the page of a crash in a real browser."""

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from streams.storage.gold.upsert import Change
from tests.e2e.browser import needs_chromium, visit
from tests.gold_rows import crash, located, silver
from tests.integration.webapp.places import write_places
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
DESK, PHONE = 1440, 390

expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("map-page") / "gold.duckdb"
    write_places(path)
    return path


async def test_from_the_map_to_a_hexagon_to_a_crash(browser: Browser, places: Path, tmp_path: Path) -> None:
    async with (
        serve_gold(places) as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), Outbox()) as url,
        visit(browser, f"{url}/map?period=all&severity=injury&size=1000&period=nonsense") as visited,
    ):
        page = visited.page
        await expect(page.locator("#map-through")).to_contain_text("Feb 28, 2025")
        await expect(page.locator(".crash-line")).to_have_count(25)
        # What the address says is chosen; what makes no sense is the default.
        await expect(page.locator("#map-severity")).to_have_value("With an injury")
        await expect(page.locator("#map-period")).to_have_value("Last 30 days")
        found = await (
            await page.request.get(f"{url}/api/map/hexagons?from=2025-01-30&severity=injury&size=1000")
        ).json()
        await expect(page.locator("#map-note")).to_contain_text(f"{found['crashes']} crashes")
        drawn = await page.locator(".city-map .trace .js-fill").evaluate_all(
            "paths => paths.slice(1).map(path => (path.getAttribute('d').match(/M/g) || []).length)"
        )
        assert sum(drawn) >= len(found["hexagons"]) > 100

        # From the keyboard: the table beneath has a button for each hexagon.
        top = page.locator(".map-pick").first
        crashes = (await page.locator(".map-top tbody tr").first.locator("td").nth(1).inner_text()).strip()
        await top.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#map-list-title")).to_have_text(f"Crashes around {await top.inner_text()}")
        await expect(page.locator(".crash-line")).to_have_count(min(25, int(crashes)))
        await expect(page).to_have_url(re.compile(r"hexagon=-?\d+%2C-?\d+"))
        await page.locator(".crash-line a").first.click()

        await expect(page).to_have_url(re.compile("/crash/[0-9a-f]{128}$"))
        await expect(page.locator(".crash-section h2").first).to_have_text("Where")
        await expect(page.locator("#crash-main")).to_contain_text("What the models say, and why")
        await expect(page.get_by_role("img", name=re.compile("Map of Chicago with a star"))).to_be_visible()
        await expect(page.get_by_role("region", name="People")).to_be_visible()
        # No store is up: what is behind it says so, and the rest stands.
        await expect(page.locator("#crash-lineage .notice")).to_be_visible()
        assert visited.complaints == []


# Where on the screen the first middle of the last trace is: that of the hexagon with the most crashes.
BUSIEST = """() => {
    const plot = document.querySelector(".city-map .js-plotly-plot");
    const middles = plot?.data.at(-1);
    if (!middles?.x.length) return null;
    const [{xaxis, yaxis}, at] = [plot._fullLayout, plot.getBoundingClientRect()];
    return [at.x + xaxis._offset + xaxis.l2p(middles.x[0]), at.y + yaxis._offset + yaxis.l2p(middles.y[0])];
}"""


async def test_a_click_on_the_map_chooses_the_hexagon_there(browser: Browser, places: Path, tmp_path: Path) -> None:
    async with (
        serve_gold(places) as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), Outbox()) as url,
        visit(browser, f"{url}/map?period=all&size=2000") as visited,
    ):
        page = visited.page
        await expect(page.locator(".crash-line")).to_have_count(25)
        async with asyncio.timeout(30):
            while (busiest := await page.evaluate(BUSIEST)) is None:
                await page.wait_for_timeout(100)
        x, y = busiest
        await page.mouse.move(x + 3, y + 3)
        await expect(page.locator(".city-map .hoverlayer")).to_contain_text("crashes")
        await page.mouse.click(x + 3, y + 3)
        await expect(page.locator("#map-list-title")).to_contain_text("Crashes around")
        await expect(page.locator("#map-more")).to_be_visible()
        await page.locator("#map-more").click()
        await expect(page.locator(".crash-line").nth(30)).to_be_attached()
        await page.get_by_role("button", name="Back to the latest").click()
        await expect(page.locator("#map-list-title")).to_have_text("Latest crashes")
        assert visited.complaints == []


async def test_a_new_crash_appears_while_one_watches_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "gold.duckdb"
    write_places(path, crashes=200)
    async with (
        serve_gold(path) as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), Outbox()) as url,
        visit(browser, f"{url}/map", width=PHONE, height=844, scheme="dark") as visited,
    ):
        page = visited.page
        await expect(page.locator(".crash-line")).to_have_count(25)
        await expect(page.locator(".crash-new")).to_have_count(0)
        news = crash("brand-new", crash_date="2025-03-01T10:15:00.000", first_crash_type="ANIMAL")
        change = Change("2025-03", 1, silver([news | located("41.8812", "-87.6278")]))
        await asyncio.to_thread(gold.gold.load, [change])
        await expect(page.locator(".crash-line").first).to_contain_text("Animal")
        await expect(page.locator(".crash-line").first).to_contain_text("new")
        await expect(page.locator("#map-through")).to_contain_text("Mar 1, 2025, 10:15 AM")
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE

        await page.goto(f"{url}/crash/brand-new")
        await expect(page.get_by_role("heading", name="Animal")).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE
        await page.goto(f"{url}/crash/nobody")
        await expect(page.get_by_role("heading", name="There is no such crash")).to_be_visible()
        await expect(page.locator("#crash-lineage")).to_be_empty()
        # Whoever leaves a page gives up what it still loads.
        assert [said for said in visited.complaints if "ERR_ABORTED" not in said] == []
