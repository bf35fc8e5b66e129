"""Predicting in a real browser: one crash by form, a file of crashes, the crashes of some days."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.e2e.browser import chromium, needs_chromium
from tests.e2e.window import Window
from tests.integration.webapp.trained import City, Served, serve_city, trained_city

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
expect.set_options(timeout=30_000)

CSV = b"crash_record_id,crash_date,posted_speed_limit,colour,lane_cnt\nx,2025-06-01 17:40,30,red,99\ny,,,blue,2\n"


@dataclass
class Open:
    """A window before the served city."""

    window: Window
    served: Served

    @property
    def url(self) -> str:
        """The page's address."""
        return f"{self.served.url}/predict"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return trained_city(tmp_path_factory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(city: City, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Open]:
    async with (
        serve_city(city, tmp_path_factory.mktemp("served"), trained=True) as served,
        chromium() as browser,
        Window(browser) as window,
    ):
        yield Open(window, served)


async def test_a_crash_is_filled_in_changed_explained_and_compared(opened: Open) -> None:
    async with opened.window.visit(opened.url) as visited:
        page = visited.page
        figure = page.locator("#predict-probability-injury")
        await expect(figure).to_have_text(re.compile(r"\d %"))
        await page.get_by_role("button", name="Fill in the newest crash").click()
        await expect(page.locator("#predict-filled")).to_contain_text(re.compile("in fact|not known yet"))
        example = await opened.served.ask("GET", "example", 200)
        sent = await opened.served.ask("POST", "predict", 200, example["crash"])
        likely = sent["predictions"][0]["probability"]
        shown = f"{100 * likely:.0f} %" if likely >= 0.0995 else f"{100 * likely:.1f} %"
        await expect(figure).to_have_text(shown)

        await page.get_by_role("button", name="Keep this answer").click()
        await expect(page.locator("#predict-forget")).to_be_enabled()
        await page.get_by_label("What hit what first").first.click()
        await page.get_by_role("option", name="Pedestrian", exact=True).click()
        await expect(page.locator(".predict-diff")).to_contain_text("Pedestrian")
        await expect(page.locator(".probability-change").first).to_contain_text("now")
        await expect(page.locator(".why-line").first).to_contain_text("Pedestrian")
        await expect(page.locator(".why-line").first).to_contain_text(re.compile(r"more probable, odds × \d"))
        await expect(page).to_have_url(re.compile("first_crash_type=PEDESTRIAN.*was.first_crash_type="))
        changed = await figure.inner_text()

        # A number that no road has is told beside its field, and counts as not known.
        await page.get_by_label("Speed limit, mph").fill("99")
        await expect(page.get_by_text("99 cannot be: it counts as not known")).to_be_visible()
        await page.get_by_label("Speed limit, mph").fill("30")
        await expect(figure).to_have_text(changed)
        assert visited.complaints == []
        address = page.url
    async with opened.window.visit(address, width=390, height=844) as visited:
        await expect(visited.page.locator("#predict-probability-injury")).to_have_text(changed)
        await expect(visited.page.locator(".predict-diff")).to_contain_text("Pedestrian")
        assert await visited.page.evaluate("document.documentElement.scrollWidth") == 390
        assert visited.complaints == []


async def test_a_file_goes_in_and_comes_out_with_probabilities(opened: Open) -> None:
    async with opened.window.visit(f"{opened.url}?way=file") as visited:
        page = visited.page
        chosen = page.locator("#predict-file input")
        large = {"name": "large.csv", "mimeType": "text/csv", "buffer": b"x" * 8_000_001}
        await chosen.set_input_files(files=[large])
        await expect(page.locator("#predict-file-large")).to_be_visible()
        await chosen.set_input_files(files=[{"name": "bad.csv", "mimeType": "text/csv", "buffer": b"a,a\n1,2\n"}])
        await expect(page.locator("#predict-file-result")).to_contain_text("twice")
        await expect(page.locator("#predict-file-large")).to_be_hidden()
        await chosen.set_input_files(files=[{"name": "mine.csv", "mimeType": "text/csv", "buffer": CSV}])
        found = page.locator(".predict-found")
        for words in ("colour", "row 1: lane_cnt 99", "vehicles"):
            await expect(found).to_contain_text(words)
        async with page.expect_download() as download:
            await page.get_by_role("button", name="Download with probabilities").click()
        kept = await download.value
        assert kept.suggested_filename == "mine-predicted.csv"
        rows = list(csv.DictReader(io.StringIO((await asyncio.to_thread((await kept.path()).read_bytes)).decode())))
        async with opened.served.api.post(
            "/api/model/predict", data=CSV, headers={"Content-Type": "text/csv"}
        ) as response:
            asked = (await response.json())["predictions"]
        assert [(row["crash_record_id"], float(row["probability"])) for row in rows] == [
            (row["crash_record_id"], row["probability"]) for row in asked
        ]
        assert visited.complaints == []


async def test_an_address_says_which_days_are_predicted(opened: Open) -> None:
    asked = f"{opened.url}?way=span&start=2025-01-01&through=2025-01-31&target=injury"
    async with opened.window.visit(asked, width=390, height=844) as visited:
        page = visited.page
        link = page.locator("#predict-span-csv")
        await expect(link).to_have_text(re.compile(r"Download all [\d,]+ as CSV"))
        await expect(page.get_by_role("region", name="Metrics with their 95 % intervals")).to_contain_text("ROC-AUC")
        async with opened.served.api.get(await link.get_attribute("href") or "") as response:
            lines = (await response.text()).splitlines()
        assert f"Download all {len(lines) - 1:,} as CSV" == await link.inner_text()
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
        assert visited.complaints == []
