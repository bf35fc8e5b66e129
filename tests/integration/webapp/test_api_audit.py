"""Asking for an audit over the API, and reading what it found."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streams.records import DATASETS, Audited, AuditRequest, Planned, RunEvent
from streams.storage.gold.gold import Gold
from streams.topics import AUDIT_REQUESTS
from tests.integration.webapp.serving import TOKEN, Outbox, ServedGold, nowhere, serve_gold, serve_web

BEARER = {"Authorization": f"Bearer {TOKEN}"}
SPAN = {"start": "2024-01-01", "end": "2024-02-01"}


@pytest.fixture
async def gold(tmp_path: Path) -> AsyncIterator[ServedGold]:
    async with serve_gold(tmp_path / "gold.duckdb") as served:
        yield served


@pytest.fixture
async def web(tmp_path: Path, gold: ServedGold, outbox: Outbox) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the app over a Gold without any audit."""
    async with (
        serve_web(nowhere(tmp_path, gold_port=gold.port), outbox) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


async def post(web: aiohttp.ClientSession, body: Any, headers: dict[str, str] | None) -> tuple[int, dict[str, Any]]:
    async with web.post("/api/audit", json=body, headers=headers) as response:
        return response.status, await response.json()


async def get(web: aiohttp.ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    async with web.get(path) as response:
        return response.status, await response.json()


def note(gold: Gold, run_id: str, *found: Audited, over: bool = True) -> None:
    planned = Planned(kind="audit", start=date(2024, 1, 1), end=date(2024, 2, 1), datasets=DATASETS, windows=0, rows=9)
    gold.note([RunEvent(run_id=run_id, event=what) for what in (*found, *([planned] if over else []))])


async def test_an_audit_is_asked_for_by_who_has_the_token(web: aiohttp.ClientSession, outbox: Outbox) -> None:
    assert (await post(web, {}, None))[0] == 401
    assert outbox.records == []
    status, answer = await post(web, {**SPAN, "datasets": ["people"], "thorough": True, "run_id": "mine"}, BEARER)
    assert (status, answer) == (202, {"run_id": "mine"})
    assert await post(web, {}, BEARER) != (202, answer)
    (first, second) = (record for topic, record in outbox.records if topic is AUDIT_REQUESTS)
    assert first == AuditRequest(run_id="mine", datasets=("people",), thorough=True, **SPAN)  # type: ignore[arg-type]
    assert isinstance(second, AuditRequest)
    assert (second.start, second.end, second.datasets, second.thorough) == (None, None, DATASETS, False)


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({**SPAN, "end": "2024-01-01"}, "end", "must be after start"),
        ({"start": "yesterday"}, "start", "YYYY-MM-DD"),
        ({"datasets": ["boats"]}, "datasets.0", "'vehicles'"),
        ({"datasets": []}, "datasets", "at least 1"),
        ({"deep": True}, "deep", "not permitted"),
        ({"run_id": "a b"}, "run_id", "pattern"),
    ],
)
async def test_a_wrong_body_is_refused_by_field(
    web: aiohttp.ClientSession, outbox: Outbox, body: Any, field: str, words: str
) -> None:
    status, answer = await post(web, body, BEARER)
    assert (status, answer["error"]["field"]) == (422, field)
    assert words in answer["error"]["message"]
    assert outbox.records == []


async def test_a_report_says_what_differs_and_the_newest_is_at_hand(
    web: aiohttp.ClientSession, gold: ServedGold
) -> None:
    assert (await get(web, "/api/audit"))[0] == 404
    alike = Audited(dataset="people", month="2024-01", portal=4, ours=4)
    differs = Audited(dataset="crashes", month="2024-01", portal=3, ours=3, missing=1, gone=1)
    note(gold.gold, "good", alike)
    note(gold.gold, "bad", alike, differs)
    status, report = await get(web, "/api/audit/bad")
    assert (status, report["agree"], report["run"]["kind"]) == (200, False, "audit")
    fields = ("dataset", "portal", "ours", "missing", "gone", "moved")
    assert [tuple(row[name] for name in fields) for row in report["months"]] == [
        ("crashes", 3, 3, 1, 1, 0),
        ("people", 4, 4, 0, 0, 0),
    ]
    assert (await get(web, "/api/audit")) == (200, report)
    assert (await get(web, "/api/audit/good"))[1]["agree"] is True


async def test_a_report_of_an_audit_under_way_does_not_say_yet_that_all_agree(
    web: aiohttp.ClientSession, gold: ServedGold
) -> None:
    note(gold.gold, "begun", Audited(dataset="people", month="2024-01", portal=4, ours=4), over=False)
    status, report = await get(web, "/api/audit/begun")
    assert (status, report["agree"]) == (200, None)
    status, answer = await get(web, "/api/audit/nobody")
    assert (status, answer["error"]["field"]) == (404, "run_id")
