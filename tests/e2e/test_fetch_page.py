"""Data fetcher, the page of a run and the scheduler in a real browser, over a portal that counts for real."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect

from agents.trace import list_schedules
from streams.local.portal import Tables, create_app
from streams.records import BackfillRequest, DeadLetter, Fetched, Merged, Planned, PollRequest, RunEvent, ScheduleChange
from streams.storage.gold.gold import Gold
from tests.e2e.browser import Visit, chromium, needs_chromium
from tests.e2e.window import Window
from tests.integration.webapp.sample import FAILED, write_sample
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_gold, serve_web

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
PHONE = 390
DAYS = 20

expect.set_options(timeout=30_000)


@dataclass
class Service:
    """The app over a Gold and a portal of one crash a day; what it publishes stays here."""

    url: str
    gold: Gold
    outbox: Outbox
    window: Window
    republished: list[tuple[str, bytes | None, bytes | None]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("fetch")
    write_sample(folder / "gold.duckdb")
    tables, outbox = Tables(), Outbox()
    republished: list[tuple[str, bytes | None, bytes | None]] = []

    async def republish(topic: str, key: bytes | None, value: bytes | None) -> None:
        republished.append((topic, key, value))

    days = [datetime(2025, 11, 1, 9) + timedelta(days=number) for number in range(DAYS)]
    crashes = [{"crash_record_id": f"{day:%j}", "crash_date": f"{day:%Y-%m-%dT%H:%M:%S.000}"} for day in days]
    tables.upsert("crashes", crashes)
    async with (
        TestServer(create_app(tables)) as server,
        serve_gold(folder / "gold.duckdb") as gold,
        serve_web(
            nowhere(folder, gold_port=gold.port, portal_url=str(server.make_url("")).rstrip("/"), page_rows=15),
            outbox,
            republish,
        ) as url,
        chromium() as browser,
        Window(browser) as window,
    ):
        yield Service(url, gold.gold, outbox, window, republished)
    tables.close()


async def sign_in(page: Page) -> None:
    await page.get_by_role("main").get_by_role("link", name="Sign in").click()
    await page.get_by_label("API token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()


async def whole(visited: Visit) -> None:
    """Nothing went wrong, and a phone shows all of it without scrolling sideways."""
    await visited.page.set_viewport_size({"width": PHONE, "height": 844})
    assert await visited.page.evaluate("document.documentElement.scrollWidth") == PHONE
    assert complaints(visited) == []


def complaints(visited: Visit) -> list[str]:
    """What went wrong; that a page is left while it still asks is no fault."""
    return [complaint for complaint in visited.complaints if "ERR_ABORTED" not in complaint]


async def test_a_backfill_is_previewed_sent_and_followed_to_its_last_row(service: Service) -> None:
    service.outbox.records.clear()
    address = f"{service.url}/fetch?mode=backfill&start=2025-11-03&end=2025-11-21&datasets=crashes"
    async with service.window.visit(address) as visited:
        page = visited.page
        await expect(page.get_by_role("main")).to_contain_text("needs you to be signed in")
        await sign_in(page)
        # Back at the request that was being made.
        cost = page.locator("#fetch-preview")
        await expect(cost.locator(".request-value").first).to_have_text("18")
        await expect(cost.locator(".request-value").nth(1)).to_have_text("2")
        await expect(cost).to_contain_text('"end": "2025-11-21"')
        await expect(page.locator("#fetch-schema")).to_contain_text("48 columns")

        await page.get_by_label("Request id").fill("not a name")
        await expect(page.get_by_text("Only letters, digits")).to_be_visible()
        await page.get_by_label("Request id").fill("mine")
        await expect(cost).to_contain_text('"request_id": "mine"')
        await page.get_by_role("button", name="Send the request").click()
        await expect(page.locator("#fetch-progress")).to_contain_text("Waiting for a worker")
        ((_, request),) = service.outbox.records
        assert request == BackfillRequest(
            request_id="mine", start=date(2025, 11, 3), end=date(2025, 11, 21), datasets=("crashes",)
        )

        await asyncio.to_thread(service.gold.note, planned())
        bar = page.get_by_role("progressbar", name=re.compile("^Fetched"))
        await expect(bar).to_have_attribute("aria-valuenow", "0")
        await asyncio.to_thread(service.gold.note, fetched())
        await expect(bar).to_have_attribute("aria-valuenow", "100")
        await expect(page.locator("#fetch-progress")).to_contain_text("18 of 18 rows")
        await expect(page.locator("#fetch-progress .state")).to_have_text("complete")
        await page.reload()
        await expect(page.locator("#fetch-progress .state")).to_have_text("complete")
        await whole(visited)
        await page.get_by_role("link", name="mine").first.click()
        await expect(page.locator("#run-pages")).to_contain_text("crashes/2025-11-03_2025-11-21/00000")
        assert complaints(visited) == []


def planned() -> list[RunEvent]:
    plan = Planned(
        kind="backfill", start=date(2025, 11, 3), end=date(2025, 11, 21), datasets=("crashes",), windows=1, rows=18
    )
    return [RunEvent(run_id="mine", event=plan)]


def fetched() -> list[RunEvent]:
    """One page, of a month that Gold has at the version it is merged into."""
    page = "crashes/2025-11-03_2025-11-21/00000"
    event = Fetched(
        page_id=page,
        dataset="crashes",
        start=date(2025, 11, 3),
        end=date(2025, 11, 21),
        number=0,
        last=True,
        bronze_key="crashes/mine.json.gz",
        request="/resource/85ca-t3if.json",
        rows=18,
        size=9000,
        months=("2025-10",),
    )
    merged = Merged(page_id=page, month="2025-10", version=7, rows=18, crashes_changed=18)
    return [RunEvent(run_id="mine", event=event), RunEvent(run_id="mine", event=merged)]


async def test_a_poll_is_a_run_a_table_and_the_choices_stand_in_the_address(service: Service) -> None:
    service.outbox.records.clear()
    async with service.window.visit(f"{service.url}/fetch?start=soon&datasets=boats&mode=x") as visited:
        page = visited.page
        await expect(page.get_by_label("crashes", exact=True).first).to_be_checked()
        await sign_in(page)
        await page.get_by_role("tab", name="Streaming").click()
        await page.get_by_role("radio", name="Look back").check()
        await page.get_by_label("Days to look back").fill("30")
        await page.get_by_label("vehicles", exact=True).first.uncheck()
        await expect(page).to_have_url(re.compile(r"mode=streaming&since_days=30&datasets=crashes,people$"))
        await expect(page.locator("#fetch-preview .request-value").first).to_have_text(str(DAYS))
        await page.get_by_role("button", name="Send the request").click()
        await expect(page.locator("#fetch-progress .progress")).to_have_count(2)
        polls = [record for _, record in service.outbox.records if isinstance(record, PollRequest)]
        assert [poll.dataset for poll in polls] == ["crashes", "people"]
        await whole(visited)


async def test_what_failed_in_a_run_is_told_on_its_page_and_replayed(service: Service) -> None:
    service.outbox.records.clear()
    letter = DeadLetter(
        topic="crash-pages",
        partition=3,
        offset=17,
        stage="fetch",
        error="PortalRejected",
        message="query.soql.no-such-column",
        run_id=FAILED,
        key=b"key",
        value=b'{"dataset": "people"}',
    )
    await asyncio.to_thread(service.gold.bury, [letter])
    async with service.window.visit(f"{service.url}/runs/{FAILED}") as visited:
        page = visited.page
        await expect(page.locator("#run-state")).to_contain_text("failed")
        await expect(page.locator("#run-failures")).to_contain_text("1 failure")
        await expect(page.get_by_role("region", name="Pages of this run")).to_be_visible()
        await expect(page.get_by_role("button", name="Replay what failed")).to_be_disabled()
        await sign_in(page)
        await page.get_by_role("button", name="Replay what failed").click()
        await expect(page.get_by_text("1 message published again")).to_be_visible()
        assert service.republished == [("crash-pages", b"key", b'{"dataset": "people"}')]
        ((_, replayed),) = service.outbox.records
        assert isinstance(replayed, DeadLetter)
        await asyncio.to_thread(service.gold.bury, [replayed])
        await expect(page.get_by_role("button", name="Replay what failed")).to_be_hidden()
        await whole(visited)


async def test_a_schedule_is_previewed_created_paused_and_deleted(service: Service) -> None:
    service.outbox.records.clear()

    async def deliver() -> ScheduleChange:
        """Let Gold hear of the change that was just asked for."""
        async with asyncio.timeout(30):
            while not service.outbox.records:
                await asyncio.sleep(0.05)
        (change,) = [record for _, record in service.outbox.records if isinstance(record, ScheduleChange)]
        service.outbox.records.clear()
        await list_schedules([change], service.gold)
        return change

    async with service.window.visit(f"{service.url}/schedules") as visited:
        page = visited.page
        await expect(page.locator("#schedules-list")).to_contain_text("Nothing happens by itself yet")
        await sign_in(page)
        await page.get_by_text("Custom", exact=True).click()
        await page.get_by_label("Cron expression").fill("0 25 * * *")
        await expect(page.get_by_text("bad hour")).to_be_visible()
        await page.get_by_text("Weekly", exact=True).click()
        await page.get_by_label("Friday").check()
        await expect(page.locator("#schedules-preview")).to_contain_text("0 3 * * FRI,SUN")
        await expect(page.locator("#schedules-preview li")).to_have_count(3)
        await page.get_by_label("Name (optional)").fill("weekend")
        await page.get_by_role("button", name="Create").click()
        await expect(page.locator("#schedules-created")).to_contain_text("weekend is created")
        change = await deliver()
        assert change.schedule is not None
        assert (change.schedule.cron, change.schedule.mode, change.schedule.days) == ("0 3 * * FRI,SUN", "backfill", 7)

        row = page.locator("#schedules-list li")
        await expect(row).to_contain_text("Backfill of the last 7 days")
        await page.get_by_role("button", name="Pause weekend").click()
        assert (await deliver()).change == "pause"
        await expect(row).to_contain_text("paused")

        await page.get_by_role("button", name="Delete weekend").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Keep it").click()
        await expect(dialog).to_be_hidden()
        assert service.outbox.records == []
        await page.get_by_role("button", name="Delete weekend").click()
        await dialog.get_by_role("button", name="Delete").click()
        assert (await deliver()).change == "delete"
        await expect(page.locator("#schedules-list")).to_contain_text("Nothing happens by itself yet")
        await whole(visited)
