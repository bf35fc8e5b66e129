"""Data management in a real browser: looking into what is kept, and deleting it."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import expect

from streams.domain.compare import changed_crashes
from streams.domain.merge import empty_month
from streams.rebuild import GoldRebuild
from streams.storage.gold.gold import Gold
from streams.storage.gold.server import create_app
from streams.storage.objects import S3Objects
from streams.storage.silver import Head, Silver
from tests.e2e.browser import Visit, needs_chromium
from tests.e2e.window import Window
from tests.embedded_s3 import shared_objects, shared_store
from tests.gold_rows import crash, silver
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_web

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
PAGE = "crashes/2024-01-01_2024-02-01/ab.json.gz"
ROWS = [{"crash_record_id": f"crash-{n}", "weather_condition": "RAIN"} for n in range(70)]
FIRST = silver([crash("a", weather_condition="RAIN"), crash("b")])
SECOND = silver([crash("a", weather_condition="SNOW"), crash("c")])
expect.set_options(timeout=30_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def objects() -> AsyncIterator[S3Objects]:
    async with shared_objects() as objects:
        body = gzip.compress(json.dumps(ROWS).encode())
        told = {"rows": "70", "sha256": "0123", "request": "http://portal/resource/85ca-t3if.json"}
        await objects.put("bronze", PAGE, body, metadata=told, content_type="application/json", content_encoding="gzip")
        await objects.put("bronze", "people/2024-01-01_2024-02-01/cd.json", b"[]", content_type="application/json")
        versions = Silver(objects)
        head = await versions.append(Head("2024-01"), "first", FIRST, changed_crashes(empty_month(), FIRST))
        await versions.append(head, "second", SECOND, changed_crashes(FIRST, SECOND))
        yield objects


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(objects: S3Objects, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The app over these objects, and a Gold that is still empty."""
    folder: Path = tmp_path_factory.mktemp("data")
    store = shared_store()
    async with AsyncExitStack() as stack:
        gold = Gold.open(folder / "gold.duckdb")
        stack.callback(gold.close)
        owner = create_app(gold, GoldRebuild(Silver(objects), gold), TOKEN)
        server = await stack.enter_async_context(TestServer(owner))
        settings = nowhere(
            folder,
            gold_port=server.port,
            s3_endpoint_url=store.endpoint_url,
            s3_access_key=store.access_key,
            s3_secret_key=store.secret_key,
        )
        yield await stack.enter_async_context(serve_web(settings, Outbox()))


async def sign_in(visited: Visit, url: str) -> None:
    answer = await visited.page.request.post(f"{url}/api/session", data={"token": TOKEN})
    assert answer.ok


async def width(visited: Visit) -> int:
    return int(await visited.page.evaluate("document.documentElement.scrollWidth"))


async def test_a_page_is_found_looked_into_and_its_folder_deleted(window: Window, url: str, objects: S3Objects) -> None:
    async with window.visit(f"{url}/data") as visited:
        page = visited.page
        await page.get_by_role("link", name="crashes/").click()
        await page.get_by_role("link", name="2024-01-01_2024-02-01/").click()
        await page.get_by_role("link", name="ab.json.gz").click()
        await expect(page.locator("#data-look")).to_contain_text("50 of 70 rows are shown")
        await expect(page.locator("#data-look tbody tr")).to_have_count(50)
        await expect(page.locator("#data-look tbody tr").first).to_contain_text("crash-0")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download as stored").click()
        assert gzip.decompress((await (await download.value).path()).read_bytes()) == json.dumps(ROWS).encode()
        address = page.url
        await page.reload()
        await expect(page.locator("#data-look")).to_contain_text("50 of 70 rows are shown")
        assert page.url == address

        delete = page.get_by_role("button", name="Delete", exact=True)
        await page.get_by_role("link", name="crashes", exact=True).click()
        await page.get_by_role("button", name="Delete this folder").click()
        await expect(page.get_by_role("dialog")).to_contain_text("you are not signed in")
        await expect(delete).to_be_hidden()
        await sign_in(visited, url)
        await page.reload()
        await page.get_by_role("button", name="Delete this folder").click()
        await expect(page.get_by_role("dialog")).to_contain_text("1 object")
        visited.complaints.clear()  # a reload breaks off what was under way
        await expect(delete).to_be_disabled()
        words = page.get_by_label(re.compile("To go on, type"))
        await words.fill("bronze/crash")
        await expect(delete).to_be_disabled()
        await words.fill("bronze/crashes")
        await delete.click()
        await expect(page.locator("#data-removed")).to_contain_text("Deleted from bronze/crashes: 1 object")
        await expect(page.locator("#data-list")).to_contain_text("Nothing is here")
        assert [info.key async for info in objects.list("bronze")] == ["people/2024-01-01_2024-02-01/cd.json"]
        assert visited.complaints == []


async def test_two_versions_of_a_month_are_compared(window: Window, url: str) -> None:
    async with window.visit(f"{url}/data?tab=silver", width=390, height=844) as visited:
        page = visited.page
        await page.get_by_role("link", name="2024-01").click()
        await expect(page.locator("#data-versions tbody tr")).to_have_count(2)
        cells = page.get_by_role("region", name="Values of crashes before and after")
        await expect(cells.locator("tbody tr")).to_have_text(re.compile("weather_condition.*RAIN.*SNOW"))
        await expect(page.locator("#data-difference")).to_contain_text("1 row added in crashes")
        await expect(page).to_have_url(re.compile("month=2024-01&old=1&new=2"))
        assert await width(visited) == 390
        assert visited.complaints == []


async def test_gold_is_rebuilt_and_wiped(window: Window, url: str) -> None:
    async with window.visit(f"{url}/data?tab=gold&table=vehicles", width=390, height=844) as visited:
        page = visited.page
        await sign_in(visited, url)
        await expect(page.locator("#data-peek")).to_contain_text("There is no row in vehicles")
        await page.get_by_role("button", name="Rebuild Gold").click()
        await expect(page.locator("#data-rebuild-state")).to_contain_text("Done: 1 month loaded; 2 rows put in")
        await expect(page.locator("#data-gold")).to_contain_text("Crashes2")
        await page.locator("#data-table").click()
        await page.get_by_role("option", name="crashes").click()
        await expect(page.locator("#data-peek tbody tr")).to_have_count(2)
        await page.get_by_role("button", name="Wipe Gold").click()
        await expect(page.get_by_role("dialog")).to_contain_text("2 crashes")
        await page.get_by_label(re.compile("To go on, type")).fill("gold")
        await page.get_by_role("button", name="Delete", exact=True).click()
        await expect(page.locator("#data-removed")).to_contain_text("Deleted from gold: 2 crashes")
        await expect(page.locator("#data-peek")).to_contain_text("There is no row in crashes")
        assert await width(visited) == 390
        assert visited.complaints == []
