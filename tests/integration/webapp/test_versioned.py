"""Answers by Gold's version, formats by suffix, limits, and what Prometheus reads."""

import asyncio
import re
from pathlib import Path

import aiohttp
from fastapi import FastAPI, Request
from httpx import ASGITransport, AsyncClient

from streams.records import Failed, RunEvent
from streams.storage.gold.client import GoldClient
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web
from webapp.versioned import LOOK_SECONDS, Answers, versioned


async def test_many_who_ask_the_same_are_answered_by_one_question(sample: Path) -> None:
    asked = 0
    async with serve_gold(sample) as served, GoldClient(f"http://127.0.0.1:{served.port}") as gold:
        app = FastAPI()
        app.router.route_class = versioned(Answers(gold))

        @app.get("/slow")
        async def slow(request: Request) -> dict[str, int]:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.05)
            return {"asked": asked}

        async with AsyncClient(transport=ASGITransport(app), base_url="http://x") as client:
            answers = await asyncio.gather(*(client.get("/slow") for _ in range(20)))
            assert [answer.json() for answer in answers] == [{"asked": 1}] * 20
            tag = answers[0].headers["ETag"]
            known = await client.get("/slow", headers={"If-None-Match": tag})
            assert (known.status_code, known.content) == (304, b"")
            assert (await client.get("/slow?other=1")).json() == {"asked": 2}
            # Gold changes: what was kept holds no longer.
            failed = RunEvent(run_id="r", event=Failed(stage="fetch", error="it did"))
            await asyncio.to_thread(served.gold.note, [failed])
            await asyncio.sleep(LOOK_SECONDS)
            anew = await client.get("/slow", headers={"If-None-Match": tag})
            assert (anew.status_code, anew.json()) == (200, {"asked": 3})


async def test_an_address_says_the_format(api: aiohttp.ClientSession) -> None:
    async with (
        api.get("/api/gold/peek.csv?limit=2") as by_suffix,
        api.get("/api/gold/peek?limit=2&format=csv") as by_query,
        api.get("/api/gold/peek.parquet?limit=2") as parquet,
    ):
        assert by_suffix.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert await by_suffix.read() == await by_query.read()
        assert (await parquet.read())[:4] == b"PAR1"


async def test_who_asks_too_often_is_told_to_wait(sample: Path, tmp_path: Path) -> None:
    async with (
        serve_gold(sample) as served,
        serve_web(nowhere(tmp_path, gold_port=served.port, api_reads=5), Outbox()) as url,
        aiohttp.ClientSession(url) as api,
    ):
        statuses = []
        for _ in range(8):
            async with api.get("/api/gold/status") as answer:
                statuses.append(answer.status)
                said = await answer.json()
        assert statuses == [200] * 5 + [429] * 3
        assert answer.headers["Retry-After"] == "5"
        assert "CRASH_API_READS" in said["error"]["hint"]
        async with api.get("/") as page, api.delete("/api/session") as change:
            assert page.status == 200  # pages go on
            assert change.status == 204  # and so does what is counted apart
            await page.read()


async def test_requests_are_counted_by_route_and_not_by_path(api: aiohttp.ClientSession) -> None:
    for run in ("a", "b"):
        async with api.get(f"/api/runs/{run}") as answer:
            assert answer.status == 404
    async with api.get("/metrics") as answer:
        text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain")
    # The registry is the process's: other tests of it may have asked for runs, too.
    counted = re.compile(r'crash_api_requests_total\{method="GET",route="/api/runs/\{run_id.*\}",status="404"\} (.*)')
    (line,) = filter(None, map(counted.fullmatch, text.splitlines()))
    assert float(line[1]) >= 2
    assert "/api/runs/a" not in text
