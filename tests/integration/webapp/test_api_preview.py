"""What a request would do, and the portal's live columns: asked of a portal that knows SoQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from agents.plan import plan
from streams.domain.schemas import CRASHES, TABLES
from streams.local.portal import Tables, create_app
from streams.local.portal.datasets import Type
from streams.records import DATASETS, CrashPage, Cursor, Planned, Polled, RunEvent
from streams.socrata.client import Portal
from streams.storage.gold.gold import Gold
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web

PAGE_ROWS = 20
PREVIEW = "/api/fetch/preview"
BACKFILL = {"mode": "backfill", "start": "2023-12-10", "end": "2024-04-01"}
PUBLISHED = datetime(2024, 3, 4, 10, tzinfo=UTC)


@pytest.fixture
def tables() -> Iterator[Tables]:
    """65 crashes, one a day from 2023-12-15 on, and two people each in the first 30, published later."""
    tables = Tables()
    times = [datetime(2023, 12, 15, 8) + timedelta(days=number) for number in range(65)]
    crashes = [
        {"crash_record_id": f"{number:0128x}", "crash_date": time.isoformat(timespec="milliseconds")}
        for number, time in enumerate(times)
    ]
    people = [{**crash, "person_id": f"{who}{number}"} for number, crash in enumerate(crashes[:30]) for who in "OP"]
    tables.upsert("crashes", crashes, at=PUBLISHED)
    tables.upsert("people", people, at=PUBLISHED + timedelta(days=1))
    yield tables
    tables.close()


@dataclass
class Asked:
    """The app, and the portal that it asks."""

    api: aiohttp.ClientSession
    portal: str
    gold: Gold
    outbox: Outbox

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        async with self.api.get(path, params=query) as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer


@asynccontextmanager
async def asking(tables: Tables, folder: Path, filled: Path | None = None) -> AsyncIterator[Asked]:
    outbox = Outbox()
    async with TestServer(create_app(tables)) as server, serve_gold(filled or folder / "gold.duckdb") as gold:
        portal = str(server.make_url("")).rstrip("/")
        settings = nowhere(folder, gold_port=gold.port, portal_url=portal, page_rows=PAGE_ROWS)
        async with serve_web(settings, outbox) as url, aiohttp.ClientSession(url) as api:
            yield Asked(api, portal, gold.gold, outbox)


@pytest.fixture
async def asked(tables: Tables, tmp_path: Path) -> AsyncIterator[Asked]:
    async with asking(tables, tmp_path) as asked:
        yield asked


async def test_a_preview_names_the_windows_that_a_plan_asks_for_and_publishes_nothing(asked: Asked) -> None:
    preview = await asked.get(PREVIEW, **BACKFILL, request_id="mine")
    assert preview["body"] == {**BACKFILL, "datasets": list(DATASETS), "request_id": "mine"}
    assert asked.outbox.records == []
    assert (preview["seconds"], preview["rows_per_second"], preview["past_runs"]) == (None, None, 0)  # no run was there
    (message,) = preview["messages"]
    assert (message["topic"], message["value"]["request_id"]) == ("backfill-requests", "mine")

    async with asked.api.post(
        "/api/fetch/publish", json=preview["body"], headers={"Authorization": "Bearer a-token-for-tests"}
    ):
        ((_, request),) = asked.outbox.records
    assert request.model_dump(mode="json") == message["value"]

    planned = Outbox()
    async with Portal.connect(asked.portal, None) as portal:
        await plan(request, portal, planned)
    pages = {(page.dataset, page.start, page.end) for _, page in planned.records if isinstance(page, CrashPage)}
    windows = {
        (part["dataset"], date.fromisoformat(window["start"]), date.fromisoformat(window["end"]))
        for part in preview["parts"]
        for window in part["windows"]
    }
    assert windows == pages
    (event,) = [record.event for _, record in planned.records if isinstance(record, RunEvent)]
    assert isinstance(event, Planned)
    assert preview["rows"] == event.rows == 65 + 60


async def test_pages_are_those_that_fetching_takes(asked: Asked) -> None:
    preview = await asked.get(PREVIEW, **BACKFILL)
    fetched = []
    async with Portal.connect(asked.portal, None) as portal:
        for part in preview["parts"]:
            for window in part["windows"]:
                start, end = (date.fromisoformat(window[side]) for side in ("start", "end"))
                after, pages = None, 1
                while (
                    len(rows := (await portal.page(TABLES[part["dataset"]], start, end, after, PAGE_ROWS)).rows) == 20
                ):
                    after = Cursor(updated_at=rows[-1][":updated_at"], row_id=rows[-1][":id"])
                    pages += 1
                assert pages == window["pages"], window
                fetched.append(pages)
        async with asked.api.get(preview["parts"][0]["request"]) as response:
            first = await response.json()
    # The first page can be asked for as it is shown.
    assert len(first) == preview["parts"][0]["windows"][0]["rows"] == 17
    assert all("2023-12-15" <= row["crash_date"] < "2024-01-01" for row in first)
    # Crashes of December, January and February; people of December and January.
    assert fetched == [1, 2, 1, 2, 2]
    assert preview["pages"] == sum(fetched)


async def test_a_look_back_counts_what_was_published_since(asked: Asked) -> None:
    days = (datetime.now(UTC) - PUBLISHED).days  # between the two publications
    preview = await asked.get(PREVIEW, mode="streaming", since_days=days)
    assert {part["dataset"]: part["rows"] for part in preview["parts"]} == {"crashes": 0, "vehicles": 0, "people": 60}
    assert [message["topic"] for message in preview["messages"]] == ["poll-requests"] * 3
    assert {part["dataset"]: part["pages"] for part in preview["parts"]} == {"crashes": 1, "vehicles": 1, "people": 4}


async def test_a_poll_counts_what_was_published_past_the_watermark(asked: Asked) -> None:
    assert (await asked.get("/api/fetch/watermarks"))["watermarks"] == []
    everything = await asked.get(PREVIEW, mode="streaming", datasets="crashes")
    assert everything["rows"] == 65
    mark = PUBLISHED.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    polled = [RunEvent(run_id="p", event=Polled(dataset="crashes", watermark=mark, rows=65))]
    await asyncio.to_thread(asked.gold.note, polled)
    nothing = await asked.get(PREVIEW, mode="streaming", datasets="crashes")
    assert nothing["rows"] == 0
    assert mark in nothing["parts"][0]["request"]
    (known,) = (await asked.get("/api/fetch/watermarks"))["watermarks"]
    assert (known["dataset"], known["watermark"], known["run_id"]) == ("crashes", mark, "p")


async def test_the_time_is_that_of_past_runs(tables: Tables, sample: Path, tmp_path: Path) -> None:
    async with asking(tables, tmp_path, sample) as asked:
        preview = await asked.get(PREVIEW, **BACKFILL)
        (run,) = [run for run in (await asked.get("/api/runs"))["runs"] if run["status"] == "complete"]
    took = datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["requested_at"])
    rate = run["rows_fetched"] / took.total_seconds()
    assert preview["past_runs"] == 1
    assert preview["rows_per_second"] == pytest.approx(rate)
    assert preview["seconds"] == pytest.approx(125 / rate)


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"mode": "backfill", "start": "2024-02-01", "end": "2024-01-01"}, "end", "after start"),
    ({"mode": "backfill", "end": "2024-01-01"}, "start", "missing"),
    ({"mode": "backfill", "start": "soon", "end": "2024-01-01"}, "start", "YYYY-MM-DD"),
    ({"mode": "streaming", "since_days": "0"}, "since_days", "greater than or equal to 1"),
    ({"mode": "streaming", "start": "2024-01-01"}, "start", "goes with mode backfill"),
    ({**BACKFILL, "since_days": "3"}, "since_days", "goes with mode streaming"),
    ({**BACKFILL, "request_id": "a b"}, "request_id", "pattern"),
    ({**BACKFILL, "datasets": "boats"}, "datasets.0", "'vehicles'"),
    ({**BACKFILL, "limit": "3"}, "limit", "not permitted"),
    ({"start": "2024-01-01"}, "mode", "required"),
]


async def test_a_wrong_request_is_refused_by_field(api: aiohttp.ClientSession) -> None:
    for query, field, words in WRONG:
        async with api.get(PREVIEW, params=query) as response:
            error = (await response.json())["error"]
            assert (response.status, error["field"]) == (422, field), error
        assert words in error["message"]
        assert error["hint"]


async def test_columns_are_those_of_the_live_table_beside_golds(tables: Tables, tmp_path: Path) -> None:
    tables.add_column("crashes", "weather_station", Type.TEXT)
    tables.drop_column("crashes", "alignment")
    async with asking(tables, tmp_path) as asked:
        found = await asked.get("/api/schema/columns", dataset="crashes")
        assert found["portal_id"] == CRASHES.portal_id
        columns = {column["name"]: column for column in found["columns"]}
        assert columns.keys() == {*CRASHES.names, "weather_station"}
        limit = columns["posted_speed_limit"]
        assert (limit["type"], limit["gold_type"], limit["drift"]) == ("number", "INTEGER", None)
        assert "speed limit" in limit["description"]
        assert columns["lane_cnt"]["description"] is None
        new, gone = columns["weather_station"], columns["alignment"]
        assert (new["in_gold"], new["gold_type"], "not known" in new["drift"]) == (False, None, True)
        assert (gone["in_gold"], gone["type"], "no more" in gone["drift"]) == (True, None, True)
        # Asked once, and kept for a while.
        tables.drop_column("crashes", "lane_cnt")
        assert await asked.get("/api/schema/columns") == found
        assert (await asked.get("/api/schema/columns", 422, dataset="boats"))["error"]["field"] == "dataset"


async def test_without_the_portal_both_say_so_in_time(
    api: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.api.patience.SECONDS", 0.5)
    for path, query in ((PREVIEW, BACKFILL), ("/api/schema/columns", {})):
        async with api.get(path, params=query) as response:
            error = (await response.json())["error"]
            assert (response.status, error["code"]) == (503, "portal-unavailable")
            assert response.headers["Retry-After"]
        assert "portal" in error["message"]
        assert error["hint"]
