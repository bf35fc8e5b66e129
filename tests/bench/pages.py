"""How fast the pages are on a million crashes, alone and with fifty who look: `python -m tests.bench.pages [crashes]`.

Gold and the web app run as processes of their own, as in production; nothing is ingested unless it says so.
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
import duckdb
from playwright.async_api import Browser, Page

from streams.storage.gold import facets
from streams.storage.gold.gold import Gold
from tests.city_gold import city_changes
from tests.e2e.browser import chromium, visit
from tests.gold_rows import change, crash
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web

ONCE = 50_000
PAGES = (
    "/",
    "/map",
    "/explore",
    "/sql",
    "/forecast",
    "/data",
    "/fetch",
    "/schedules",
    "/reports",
    "/predict",
    "/train",
)
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
# What a person does on a page that is open: a tab or a button with these words, or an option of a field.
ACTS: Mapping[str, Sequence[str | tuple[str, str]]] = {
    "/map": (
        ("Severity", "With an injury"),
        ("When", "Last year"),
        "Predicted risk",
        ("Severity", "Any"),
        ("When", "All time"),
        ("Who was in it", "Pedestrians"),
        ("Size of hexagons", "250 m"),
    ),
    "/explore": (
        "Conditions",
        "What",
        "Who, where",
        "More filters",
        ("Outcome", "Injury"),
        "When",
        "Conditions",
        ("Weather", "Rain"),
        "What",
        ("Who was in it", "Somebody on foot"),
        "Who, where",
        "Clear all",
        "The days before",
        "When",
    ),
    "/sql": (("Examples and saved questions", "Share of crashes that injure, by lighting"), "Ask"),
    "/reports?tab=quality": ("Vehicles", "People", "Share flagged"),
}
# When somebody last clicked, and when the page last changed thereafter.
WATCH = """
addEventListener("click", () => { window.clicked = performance.now(); }, true);
new MutationObserver(() => { window.changed = performance.now(); })
    .observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""
TOOK = """() => {
    const answers = performance.getEntriesByType("resource")
        .filter(each => each.name.includes("_dash-update-component") && each.startTime >= window.clicked)
        .filter(each => each.decodedBodySize > 40);  // a shorter one leaves all as it is
    return [Math.max(0, ...answers.map(each => each.responseEnd - window.clicked)), window.changed - window.clicked];
}"""
READ = (
    "/api/map/hexagons",
    "/api/map/crashes",
    "/api/explore/hours",
    "/api/explore/crash-types",
    "/api/explore/weather?severity=injury",
    "/api/gold/status",
    "/api/flow",
    "/api/runs",
)
VIEWERS = 50
SECONDS = 20


def fill(path: Path, crashes: int) -> None:
    """A Gold of so many crashes: a simulated city's, again and again under other names and on other days."""
    gold = Gold.open(path)
    gold.load(city_changes(7, date(2025, 10, 1), date(2026, 3, 1), ONCE))
    gold.close()
    with duckdb.connect(path) as connection:
        for again in range(1, crashes // ONCE):
            back = f"to_days({150 * again})"
            connection.execute(
                f"insert into crashes by name select * replace ('{again}-' || crash_record_id as crash_record_id,"
                f" crash_key_of('{again}-' || crash_record_id) as crash_key, crash_date - {back} as crash_date)"
                f" from crashes where not contains(crash_record_id, '-')"
            )
            for table, key in (("vehicles", "crash_unit_id"), ("people", "person_id")):
                named = f"{key} + {again} * 100000000" if table == "vehicles" else f"'{again}-' || {key}"
                connection.execute(
                    f"insert into {table} by name select * replace ('{again}-' || crash_record_id as crash_record_id,"
                    f" crash_key_of('{again}-' || crash_record_id) as crash_key, {named} as {key},"
                    f" crash_date - {back} as crash_date)"
                    f" from {table} where not contains(crash_record_id, '-')"
                )
        connection.execute(
            "insert into scores by name select crash_record_id, crash_key, 'injury' as target, 'v' as model_version,"
            " random() as probability, false as label, 'report' as tier, now()::timestamp as scored_at from crashes"
        )
        facets.build(connection)


def gold_process(path: Path, told: Connection, load: bool) -> None:
    """Serve Gold, and where `load` says so, load a month of fifty crashes ten times a second."""

    async def serve() -> None:
        async with serve_gold(path) as served:
            told.send(served.port)
            version = 1_000
            while True:
                await asyncio.sleep(0.1)
                if load:
                    version += 1
                    rows = [crash(f"new-{version}-{number}") for number in range(50)]
                    await asyncio.to_thread(served.gold.load, [change("2024-01", version, rows)])

    asyncio.run(serve())


def web_process(folder: Path, port: int, told: Connection) -> None:
    """Serve the pages over the Gold at `port`."""

    async def serve() -> None:
        async with serve_web(nowhere(folder, gold_port=port, api_reads=10_000_000), Outbox()) as url:
            told.send(url)
            await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def running(target: Any, *arguments: Any) -> Iterator[tuple[Any, int]]:
    """What the process says once it is up, and its id."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    arguments = tuple(theirs if argument is Connection else argument for argument in arguments)
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    try:
        yield ours.recv(), process.pid or 0
    finally:
        process.kill()
        process.join()


async def look(url: str) -> None:
    """First paint of each page in a browser that has it not yet seen, and what each act on a page takes."""
    async with chromium() as browser:
        for path in PAGES:
            async with visit(browser, url + path) as visited:
                asked = listen(visited.page)
                painted = await visited.page.evaluate(FIRST_PAINT)
                await drawn(visited.page)
                print(f"{path:<12} first paint {painted:6.0f} ms; its questions: {told(asked)}", flush=True)
        answers, changes = [], []
        for path, acts in ACTS.items():
            async for act, until, change in acted(browser, url + path, acts):
                print(f"{path:<20} {act:<40} answered {until:5.0f} ms, drawn {change:5.0f} ms", flush=True)
                answers.append(until)
                changes.append(change)
        print(f"what is done on a page, until answered: {told(answers)}; until drawn: {told(changes)}", flush=True)


async def acted(
    browser: Browser, address: str, acts: Sequence[str | tuple[str, str]]
) -> AsyncIterator[tuple[str, float, float]]:
    """Each act, how long after it the last of its answers came, and the page's last change; in ms."""
    async with visit(browser, address) as visited:
        page = visited.page
        await drawn(page)
        live = page.get_by_role("switch", name="Live")
        if await live.count():
            await live.press("Space")  # off: what comes by itself is nobody's doing
        await page.evaluate(WATCH)
        for act in acts:
            target = page.get_by_role("main").get_by_text(act if isinstance(act, str) else act[1], exact=True).first
            if isinstance(act, tuple):
                await page.get_by_role("textbox", name=act[0], exact=True).click()
                target = page.get_by_role("option", name=act[1], exact=True)
                await target.wait_for()
                await page.wait_for_timeout(500)
            await target.click()
            await page.wait_for_timeout(3000)
            until, change = await page.evaluate(TOOK)
            yield " ".join(act) if isinstance(act, tuple) else act, until, change
            await page.keyboard.press("Escape")


def listen(page: Page) -> list[float]:
    """How long each callback of the page takes, in ms, from now on."""
    took: list[float] = []

    def finished(request: Any) -> None:
        if "_dash-update-component" in request.url:
            took.append(request.timing["responseEnd"] - request.timing["requestStart"])

    page.on("requestfinished", finished)
    return took


async def drawn(page: Page) -> None:
    await page.wait_for_selector("main h1")
    await page.wait_for_timeout(4000)


def told(took: list[float]) -> str:
    """Median and 95th percentile, in ms."""
    if len(took) < 2:
        return f"{len(took)} answers"
    cuts = quantiles(took, n=20)
    return f"{len(took)} answers, median {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms, at most {max(took):.0f} ms"


async def crowd(url: str) -> None:
    """`VIEWERS` who ask one thing after the other, each with a second's thought between."""
    took: list[float] = []
    failed = 0
    end = time.monotonic() + SECONDS

    async def view(place: int, session: aiohttp.ClientSession) -> None:
        nonlocal failed
        while time.monotonic() < end:
            place += 1
            begun = time.perf_counter()
            async with session.get(READ[place % len(READ)]) as answer:
                await answer.read()
                failed += answer.status != 200
            took.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(1)

    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(view(place, session) for place in range(VIEWERS)))
    print(f"{VIEWERS} viewers for {SECONDS} s: {told(took)}; {failed} errors", flush=True)


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main(crashes: int = 1_000_000) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fill(folder / "gold.duckdb", crashes)
        for load in (False, True):
            print(f"\n{crashes:,} crashes, {'fifty loaded ten times a second' if load else 'no ingestion'}", flush=True)
            with (
                running(gold_process, folder / "gold.duckdb", Connection, load) as (port, gold),
                running(web_process, folder, port, Connection) as (url, web),
            ):
                asyncio.run(look(url))
                before = megabytes(gold), megabytes(web)
                asyncio.run(crowd(url))
                print(
                    f"memory: gold {before[0]:.0f} MB, after the crowd {megabytes(gold):.0f} MB;"
                    f" web {before[1]:.0f} MB, after it {megabytes(web):.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
