"""Explore in a real browser: a click in one figure filters the others, and the address keeps it all."""

import re
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from streams.storage.gold.gold import Gold
from tests.city_gold import city_changes
from tests.e2e.browser import needs_chromium
from tests.e2e.window import Window
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explore") / "gold.duckdb"
    gold = Gold.open(path)
    gold.load(city_changes(5, date(2025, 1, 1), date(2025, 3, 1), 2_000))
    gold.close()
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(filled: Path) -> AsyncIterator[str]:
    async with (
        serve_gold(filled) as gold,
        serve_web(nowhere(filled.parent, gold_port=gold.port), Outbox()) as served,
    ):
        yield f"{served}/explore"


def card(page: Page, title: str) -> Locator:
    return page.locator(".explore-card", has=page.get_by_role("heading", name=title, exact=True))


async def test_a_click_in_one_figure_filters_the_others(window: Window, url: str) -> None:
    async with window.visit(url) as visited:
        page = visited.page
        await expect(page.locator("#explore-totals")).to_contain_text("2,000 crashes")
        await page.get_by_text("Conditions", exact=True).click()
        bars = card(page, "Lighting").locator(".bars .point path")
        await expect(bars.first).to_be_visible()
        speeds = card(page, "Speed limit").locator(".explore-says")
        before = await speeds.inner_text()
        await bars.first.scroll_into_view_if_needed()
        box = await bars.first.bounding_box()
        await page.mouse.click(box["x"] + 20, box["y"] + box["height"] / 2)

        chip = page.get_by_role("button", name="Lighting: Daylight")
        await expect(chip).to_be_visible()
        await expect(page).to_have_url(re.compile(r"\?view=Conditions&lighting_condition=DAYLIGHT$"))
        await expect(speeds).not_to_have_text(before)
        answer = await page.request.get(f"{url.replace('/explore', '/api/explore')}/totals?lighting_condition=DAYLIGHT")
        (totals,) = (await answer.json())["rows"]
        await expect(page.locator("#explore-totals")).to_contain_text(f"{totals['crashes']:,} crashes")
        # Its own figure still shows the other lights, to be chosen next.
        await card(page, "Lighting").get_by_text("Show the figures").click()
        await expect(card(page, "Lighting").get_by_role("cell", name="Dusk")).to_be_visible()

        assert visited.complaints == []

    async with window.visit(page.url) as visited:
        page = visited.page
        chip = page.get_by_role("button", name="Lighting: Daylight")
        await expect(chip).to_be_visible()
        await expect(page.locator("#explore-totals")).to_contain_text(f"{totals['crashes']:,} crashes")
        await chip.click()
        await expect(page.locator("#explore-totals")).to_contain_text("2,000 crashes")
        await expect(chip).to_have_count(0)

        await page.get_by_role("button", name="The days before").click()
        await expect(page.locator("#explore-totals")).to_contain_text("against the compared period")
        await expect(page).to_have_url(
            re.compile("from=2025-02-01&to=2025-02-28&compare_from=2025-01-04&compare_to=2025-01-31")
        )
        await expect(card(page, "Weather").get_by_text("Compared", exact=True)).to_be_visible()
        assert visited.complaints == []


async def test_where_nothing_meets_the_filters_the_page_says_which_one_to_take_away(window: Window, url: str) -> None:
    query = "view=Who%2C+where&lighting_condition=NO+SUCH&hour_from=9&hour_to=8&severity=bad"
    async with window.visit(f"{url}?{query}", width=390, height=844) as visited:
        page = visited.page
        totals = page.locator("#explore-totals")
        await expect(totals).to_contain_text("No crash meets all of these filters")
        await expect(totals).to_contain_text("without “Lighting” there are 2,000")
        await expect(card(page, "Who was hurt")).to_contain_text("No crash meets these filters.")
        await page.get_by_role("button", name="Clear all").click()
        await expect(totals).to_contain_text("2,000 crashes")
        await expect(card(page, "Who was hurt")).to_contain_text("Hurt most often")
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        assert visited.complaints == []
