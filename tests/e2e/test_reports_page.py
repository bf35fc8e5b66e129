"""Reports in a real browser: every section, over a Gold whose figures are known."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from streams.records import Audited, AuditRequest, DeadLetter, Planned, RunEvent
from streams.storage.gold.gold import Gold
from tests.e2e.browser import Visit, chromium, needs_chromium
from tests.e2e.window import Window
from tests.integration.webapp.report_gold import AUDIT, RUNS, crashes, write_reported
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_gold, serve_web

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
PHONE = 390
AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
LETTER = DeadLetter(
    topic="backfill-requests",
    partition=0,
    offset=12,
    stage="plan",
    error="MalformedMessage",
    message="start: 'yesterday' is no date",
    key=b"bad",
    value=b'{"start": "yesterday"}',
)

expect.set_options(timeout=30_000)


@dataclass
class Service:
    """The app, its Gold, what it publishes, and a window."""

    url: str
    gold: Gold
    outbox: Outbox
    window: Window
    replayed: list[tuple[str, bytes | None, bytes | None]] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    folder = tmp_path_factory.mktemp("reports")
    write_reported(folder / "gold.duckdb")
    outbox, replayed = Outbox(), []

    async def republish(topic: str, key: bytes | None, value: bytes | None) -> None:
        replayed.append((topic, key, value))

    async with (
        serve_gold(folder / "gold.duckdb") as gold,
        serve_web(nowhere(folder, gold_port=gold.port), outbox, republish) as url,
        chromium() as browser,
        Window(browser) as window,
    ):
        await asyncio.to_thread(gold.gold.bury, [LETTER])
        yield Service(url, gold.gold, outbox, window, replayed)


async def whole(visited: Visit) -> None:
    """Nothing went wrong, everybody can use it, and a phone shows all of it without scrolling sideways."""
    found = await Axe().run(visited.page, options=AXE)
    grave = [each for each in found.response["violations"] if each["impact"] in ("serious", "critical")]
    assert not grave, [(each["id"], [node["html"] for node in each["nodes"]]) for each in grave]
    await visited.page.set_viewport_size({"width": PHONE, "height": 844})
    assert await visited.page.evaluate("document.documentElement.scrollWidth") == PHONE
    # That a page is left while it still asks is no fault.
    assert [complaint for complaint in visited.complaints if "ERR_ABORTED" not in complaint] == []


async def sign_in(page: Page) -> None:
    await page.get_by_role("main").get_by_role("link", name="Sign in").click()
    await page.get_by_label("API token").fill(TOKEN)
    await page.get_by_role("button", name="Sign in").click()


async def test_the_summary_shows_a_period_and_hands_it_out_as_pdf(service: Service) -> None:
    async with service.window.visit(f"{service.url}/reports?from=2025-10-01&to=2025-10-31") as visited:
        page = visited.page
        october = [crash for crash in crashes() if f"{crash['crash_date']:%Y-%m}" == "2025-10"]
        await expect(page.locator("#reports-total-crashes")).to_have_text(f"{len(october)}")
        injured = sum(crash["injuries_total"] or 0 for crash in october)
        await expect(page.locator("#reports-total-injured")).to_have_text(f"{injured}")
        await expect(page.get_by_role("region", name="Last runs")).to_contain_text("backfill-nine")
        await expect(page.locator("#reports-copy")).to_contain_text("1,600")
        await expect(page.get_by_role("region", name="Crashes by outcome")).to_contain_text("365 days")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download PDF").click()
        report = await download.value
        assert report.suggested_filename == "chicago-crashes-2025-10-01-to-2025-10-31.pdf"
        assert (await report.path()).read_bytes().startswith(b"%PDF-")
        await whole(visited)


async def test_runs_are_filtered_and_the_address_keeps_it(service: Service) -> None:
    async with service.window.visit(f"{service.url}/reports?tab=runs") as visited:
        page = visited.page
        rows = page.get_by_role("region", name="Runs, newest first").locator("tbody tr")
        await expect(rows).to_have_count(3)
        await page.get_by_role("switch", name="Leave out polls that changed nothing").click()
        await expect(rows).to_have_count(len(RUNS))
        await page.get_by_role("textbox", name="Kind").click()
        await page.get_by_role("option", name="audit (2)").click()
        await expect(rows).to_have_count(2)
        await expect(page).to_have_url(re.compile(r"tab=runs&kind=audit&all=1"))
        await page.reload()
        await expect(rows).to_have_count(2)
        await expect(page.locator("#reports-runs-count")).to_have_text("2 runs")
        await page.goto(f"{service.url}/reports?tab=runs&page=99999&status=nonsense&from=x")
        await expect(rows).to_have_count(3)
        await whole(visited)


async def test_an_audit_is_asked_for_and_followed_to_its_verdict(service: Service) -> None:
    async with service.window.visit(f"{service.url}/reports?tab=audits") as visited:
        page = visited.page
        grid = page.get_by_role("region", name="Verdicts by month and table")
        await expect(grid).to_contain_text("≠ 3 missing")
        await expect(grid).to_contain_text("✓ 50")
        await expect(page).to_have_url(re.compile(AUDIT))
        await sign_in(page)
        await page.get_by_role("switch", name=re.compile("Compare every key")).click()
        await page.get_by_role("button", name="Start an audit").click()
        await expect(page.locator("#reports-audit-told")).to_contain_text("waiting for a worker")
        _, asked = service.outbox.records[-1]
        assert isinstance(asked, AuditRequest)
        assert asked.thorough
        plan = Planned(
            kind="audit", start=date(2025, 11, 1), end=date(2025, 12, 1), datasets=("people",), windows=0, rows=0
        )
        month = Audited(dataset="people", month="2025-11", portal=77, ours=77)
        news = [RunEvent(run_id=asked.run_id, at=datetime.now(UTC), event=event) for event in (month, plan)]
        await asyncio.to_thread(service.gold.note, news)
        await expect(page.locator("#reports-audit-told")).to_contain_text("the copy is as the portal is")
        await expect(grid).to_contain_text("✓ 77")
        await whole(visited)


async def test_quality_lineage_and_dead_letters_are_shown_and_a_letter_is_replayed(service: Service) -> None:
    async with service.window.visit(f"{service.url}/reports?tab=quality&from=2025-10-01&to=2025-11-22") as visited:
        page = visited.page
        months = page.get_by_role("region", name="Share filled of each column of crashes, by month")
        await expect(months.get_by_role("row", name=re.compile("^crash_date 100 100"))).to_be_visible()
        await expect(page.get_by_role("region", name="Flags by reason")).to_contain_text("posted_speed_limit")
        await expect(page.get_by_role("region", name="Schema drift")).to_contain_text("vanished")
        await page.get_by_role("link", name="Lineage").click()
        await expect(page.get_by_role("img", name=re.compile("Flow of 1 page of crashes"))).to_be_visible()
        await page.get_by_label("Key").fill("no such key")
        await page.get_by_role("button", name="Follow").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_role("link", name="Dead letters").click()
        await sign_in(page)
        letters = page.get_by_role("region", name="Dead letters")
        await expect(letters).to_contain_text("'yesterday' is no date")
        await letters.get_by_role("button", name="Replay").click()
        await expect(page.locator("#reports-letters-told")).to_contain_text("1 message published again")
        assert service.replayed == [("backfill-requests", b"bad", b'{"start": "yesterday"}')]
        await page.set_viewport_size({"width": PHONE, "height": 844})
        assert await page.evaluate("document.documentElement.scrollWidth") == PHONE
