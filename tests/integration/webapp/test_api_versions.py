"""Silver's past over the API: months, versions, rows of then, and what differs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from streams.domain.compare import changed_crashes
from streams.domain.merge import empty_month
from streams.storage.silver import BUCKET, Head, Silver
from tests.embedded_s3 import embedded_store
from tests.gold_rows import crash, person, silver
from tests.integration.webapp.serving import Outbox, nowhere, serve_web

MONTH = "2024-01"
FIRST = silver([crash("a", weather_condition="RAIN"), crash("b")], [], [person("P1", "a")])
SECOND = silver([crash("a", weather_condition="SNOW"), crash("c")], [], [person("P1", "a", **{":gone": True})])


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    async with embedded_store(tmp_path / "s3") as store, store.client() as objects:
        await objects.ensure_buckets([BUCKET])
        versions = Silver(objects)
        head = await versions.append(Head(MONTH), "first", FIRST, changed_crashes(empty_month(), FIRST))
        await versions.append(head, "second", SECOND, changed_crashes(FIRST, SECOND))
        settings = nowhere(
            tmp_path,
            s3_endpoint_url=store.endpoint_url,
            s3_access_key=store.access_key,
            s3_secret_key=store.secret_key,
        )
        async with serve_web(settings, Outbox()) as url, aiohttp.ClientSession(url) as session:
            yield session


async def ask(session: aiohttp.ClientSession, path: str, status: int = 200, **parameters: str) -> dict:
    async with session.get(f"/api/silver/{path}", params=parameters) as response:
        body = await response.json()
        assert response.status == status, body
        return body


async def test_months_versions_rows_and_differences_are_served(session: aiohttp.ClientSession) -> None:
    (month,) = (await ask(session, "months"))["months"]
    assert (month["month"], month["version"]) == (MONTH, 2)
    assert month["rows"] == {"crashes": 2, "vehicles": 0, "people": 0}
    second, first = (await ask(session, f"{MONTH}/versions"))["versions"]
    assert (first["version"], first["page"], second["page"]) == (1, "first", "second")
    assert [v["version"] for v in (await ask(session, f"{MONTH}/versions", limit="1"))["versions"]] == [2]

    then = await ask(session, f"{MONTH}/rows", version="1")
    assert [(row["crash_record_id"], row["weather_condition"]) for row in then["rows"]] == [("a", "RAIN"), ("b", None)]
    now = await ask(session, f"{MONTH}/rows", at=datetime.now(UTC).isoformat(), limit="1")
    assert ([row["weather_condition"] for row in now["rows"]], now["truncated"]) == (["SNOW"], True)
    assert (await ask(session, f"{MONTH}/rows", dataset="people"))["rows"] == [], "a tombstone is no row"
    async with session.get(f"/api/silver/{MONTH}/rows", params={"format": "csv"}) as response:
        assert response.headers["X-Silver-Version"] == "2"
        assert (await response.text()).count("\n") == 3

    found = (await ask(session, f"{MONTH}/compare", **{"from": "1", "to": "2"}))["datasets"]
    crashes = found["crashes"]
    assert (crashes["added_keys"], crashes["removed_keys"], crashes["changed"]) == (["c"], ["b"], 1)
    assert crashes["columns"] == {"weather_condition": 1}
    assert crashes["cells"] == [{"key": "a", "column": "weather_condition", "before": "RAIN", "after": "SNOW"}]
    assert found["people"]["removed"] == 1


WRONG = (
    ("2023-01/versions", 404, {}, "month"),
    ("2024-1/versions", 422, {}, "month"),
    (f"{MONTH}/rows", 404, {"version": "3"}, "version"),
    (f"{MONTH}/rows", 404, {"at": "2020-01-01T00:00:00Z"}, "at"),
    (f"{MONTH}/rows", 422, {"at": "2020-01-01T00:00:00"}, "at"),
    (f"{MONTH}/rows", 422, {"at": "2020-01-01T00:00:00Z", "version": "1"}, "at"),
    (f"{MONTH}/compare", 404, {"from": "1", "to": "9"}, "version"),
    (f"{MONTH}/compare", 422, {"from": "1"}, "to"),
)


async def test_a_wrong_question_is_told_its_field_and_the_remedy(session: aiohttp.ClientSession) -> None:
    for path, status, parameters, field in WRONG:
        error = (await ask(session, path, status, **parameters))["error"]
        assert (error["field"], bool(error["hint"])) == (field, True), path
