"""The pages over a running service: each is whole and can be used by everybody, and each form does what it says."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.e2e.browser import needs_chromium
from tests.e2e.running import Running
from tests.e2e.window import Window
from webapp.pages.book import PAGES

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
TOKEN = "a-token-for-the-pages"
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
GRAVE = ("serious", "critical")
expect.set_options(timeout=60_000)
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
        "select max(crash_record_id) as crash_id, max(model_version) as version,"
        " (select max(run_id) from runs) as run_id from scores"
    )
    return row


@asynccontextmanager
async def signed_in(service: Running, window: Window, path: str) -> AsyncIterator[Page]:
    """A page of somebody who may change things; in the end, nothing has gone wrong on it."""
    async with window.visit(f"{address(service)}/login?next={path}") as visited:
        await visited.page.get_by_label("API token").fill(TOKEN)
        await visited.page.get_by_role("button", name="Sign in").click()
        await expect(visited.page.locator("#who")).to_have_text("Signed in")
        await settle(visited.page)
        yield visited.page
        # A page that is left breaks off what it still asks.
        assert [complaint for complaint in visited.complaints if "ERR_ABORTED" not in complaint] == []


def address(service: Running) -> str:
    return f"http://127.0.0.1:{service.services.web_port}"


async def settle(page: Page) -> None:
    """Wait until the page is drawn and asks for nothing more."""
    await page.wait_for_selector("main h1")
    await expect(page.locator("[data-dash-is-loading=true]")).to_have_count(0)
    await page.wait_for_timeout(1500)


async def ask(service: Running, sql: str) -> dict[str, Any]:
    """The one row of an answer of Gold."""
    (row,) = await asyncio.to_thread(service.ask, sql)
    return row


async def until(service: Running, sql: str) -> None:
    await asyncio.to_thread(service.wait_until, sql)


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_is_whole_at_every_width(
    service: Running, names: dict[str, str], window: Window, path: str
) -> None:
    for name, value in names.items():
        path = path.replace(f"<{name}>", value)
    async with window.visit(f"{address(service)}{path}") as visited:
        page = visited.page
        await settle(page)
        assert await page.locator("main h1").count() == 1
        await expect(page.locator("main .notice[role=alert]:visible")).to_have_count(0)
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


async def test_a_wrong_token_is_told_and_the_right_one_lasts_until_one_signs_out(
    service: Running, window: Window
) -> None:
    async with window.visit(f"{address(service)}/login") as visited:
        page = visited.page
        await page.get_by_label("API token").fill("not the token")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_contain_text("not the token that the service was started with")
        await page.get_by_label("API token").fill(TOKEN)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("#who")).to_have_text("Signed in")
        await page.goto(f"{address(service)}/login")
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#who")).to_have_text("Sign in")


async def test_a_backfill_is_sent_and_watched_to_its_last_row(service: Running, window: Window) -> None:
    row = await ask(service, "select max(crash_date)::date::varchar as day from crashes")
    async with signed_in(service, window, f"/fetch?mode=backfill&start={row['day'][:8]}01&end={row['day']}") as page:
        await page.goto(f"{address(service)}/fetch?mode=backfill&start={row['day'][:8]}01&end={row['day']}")
        await page.get_by_label("Request id").fill("from-the-page")
        await expect(page.locator("#fetch-preview")).to_contain_text('"request_id": "from-the-page"')
        await page.get_by_role("button", name="Send the request").click()
        await expect(page.locator("#fetch-progress .state")).to_have_text("complete")
    run = await ask(
        service, "select status, merges_loaded = merges_expected as whole from runs where run_id = 'from-the-page'"
    )
    assert run == {"status": "complete", "whole": True}


async def test_a_question_in_sql_is_answered_drawn_and_downloaded(service: Running, window: Window) -> None:
    async with window.visit(f"{address(service)}/sql") as visited:
        page = visited.page
        await expect(page.locator("#sql-rows tbody tr")).to_have_count(24)
        await page.get_by_label("Question", exact=True).fill("select count(*) as n, 'x' as what from crashes")
        await page.keyboard.press("Control+Enter")
        row = await ask(service, "select count(*) as n from crashes")
        await expect(page.locator("#sql-rows tbody tr")).to_have_text([f"{row['n']}x"])
        async with page.expect_download() as download:
            await page.get_by_role("link", name="CSV").click()
        assert (await (await download.value).path()).read_text() == f'"n","what"\n{row["n"]},"x"\n'
        await page.get_by_role("tab", name="Chart").click()
        await expect(page.locator("#sql-plot .bars .point")).to_have_count(1)
        await expect(page).to_have_url(re.compile("view=chart"))
        await page.get_by_label("Question", exact=True).fill("delete from crashes")
        await page.get_by_role("button", name="Ask").click()
        await expect(page.get_by_role("alert")).to_contain_text("DELETE is no read")
        await page.get_by_label("Name to save as").fill("mine")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("#sql-told")).to_contain_text("Saved as")
        await page.reload()
        await page.get_by_role("textbox", name="Examples and saved questions").click()
        await page.get_by_role("option", name="mine").click()
        await expect(page.get_by_label("Question", exact=True)).to_have_value("delete from crashes")


async def test_a_model_is_trained_and_comes_to_serve(service: Running, window: Window) -> None:
    async with signed_in(service, window, "/train") as page:
        await page.goto(f"{address(service)}/train?tier=pre-crash&algorithm=logistic&promote=never")
        await page.get_by_role("button", name="Train", exact=True).click()
        await expect(page.locator("#train-job")).to_contain_text("It does not serve", timeout=120_000)
        await page.get_by_role("button", name="Let it serve").click()
        await page.get_by_role("button", name="Yes, do it").click()
        await expect(page.locator("#train-promoted")).to_contain_text("serves now")
        # What serves scores what comes, and what is asked on the page for predictions.
        await page.goto(f"{address(service)}/predict")
        await expect(page.locator("#predict-probability-injury")).to_have_text(re.compile(r"\d %"))
    await until(service, "select count(*) > 0 from scores where model_version like 'injury-pre-crash-logistic%'")


async def test_a_schedule_is_made_paused_and_deleted(service: Running, window: Window) -> None:
    async with signed_in(service, window, "/schedules") as page:
        await page.get_by_label("Name (optional)").fill("nightly")
        await page.get_by_role("button", name="Create").click()
        await page.get_by_role("button", name="Pause nightly").click()
        await expect(page.locator("#schedules-list li")).to_contain_text("paused")
        await until(service, "select bool_and(paused) and count(*) = 1 from schedules")
        await page.get_by_role("button", name="Delete nightly").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.locator("#schedules-list")).to_contain_text("Nothing happens by itself yet")
        await until(service, "select count(*) = 0 from schedules")


async def test_a_folder_is_deleted_by_its_name_and_a_report_is_downloaded(service: Running, window: Window) -> None:
    async with signed_in(service, window, "/data") as page:
        await page.get_by_role("link", name="people/").click()
        await page.get_by_role("button", name="Delete this folder").click()
        await page.get_by_label(re.compile("To go on, type")).fill("bronze/people")
        await page.get_by_role("button", name="Delete", exact=True).click()
        await expect(page.locator("#data-removed")).to_contain_text("Deleted from bronze/people")
        await page.goto(f"{address(service)}/reports")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download PDF").click()
        assert (await (await download.value).path()).read_bytes().startswith(b"%PDF-")
