"""Following a run over the API."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from streams.records import Audited, Planned, RunEvent
from tests.integration.webapp.sample import COMPLETE, RUNNING
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web


async def test_each_page_has_the_time_of_each_stage(api: aiohttp.ClientSession) -> None:
    async with api.get(f"/api/runs/{COMPLETE}") as response:
        run = await response.json()
    assert run["stages"]["planned"] == {"windows": 3, "rows": 42_000}
    assert run["stages"]["fetched"]["windows"] == 3
    assert run["stages"]["merged"] == run["stages"]["loaded"] == {"done": 3, "expected": 3}
    assert run["stages"]["scored"] == {"done": None, "expected": 3}  # no model serves
    assert len(run["pages"]) == 3
    for page in run["pages"]:
        assert page["planned_at"] < page["fetched_at"] < page["merged_at"] <= page["loaded_at"]
        assert (page["months_merged"], page["months_loaded"]) == (1, 1)


async def test_a_page_that_is_not_loaded_has_no_such_time(api: aiohttp.ClientSession) -> None:
    async with api.get(f"/api/runs/{RUNNING}") as response:
        run = await response.json()
    stages = run["stages"]
    assert stages["merged"]["done"] == 4 > stages["loaded"]["done"]
    waiting = [page for page in run["pages"] if page["loaded_at"] is None]
    assert len(waiting) == 4 - stages["loaded"]["done"] == 1
    assert all(page["merged_at"] for page in waiting)


async def test_an_audit_lists_what_it_found(tmp_path: Path) -> None:
    noon = datetime(2025, 11, 23, 12, tzinfo=UTC)
    plan = Planned(
        kind="audit", start=noon.date(), end=noon.date() + timedelta(1), datasets=("crashes",), windows=0, rows=3
    )
    found = [Audited(dataset="crashes", month=f"2025-{month}", portal=3, ours=3) for month in (11, 10)]
    async with serve_gold(tmp_path / "gold.duckdb") as served:
        events = [RunEvent(run_id="audit", at=noon, event=event) for event in (plan, *found)]
        await asyncio.to_thread(served.gold.note, events)
        settings = nowhere(tmp_path, gold_port=served.port)
        async with (
            serve_web(settings, Outbox()) as url,
            aiohttp.ClientSession(url) as session,
            session.get("/api/runs/audit") as response,
        ):
            run = await response.json()
    assert (run["run"]["kind"], run["run"]["status"], run["pages"]) == ("audit", "complete", [])
    assert [row["month"] for row in run["audits"]] == ["2025-10", "2025-11"]
