"""Schedules over the API: what reaches the topic, what is listed, and who may change what."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agents.trace import list_schedules
from streams.errors import BrokerUnavailable
from streams.records import Schedule, ScheduleChange
from streams.storage.gold.gold import Gold
from streams.topics import SCHEDULE_CHANGES
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_gold, serve_web

BEARER = {"Authorization": f"Bearer {TOKEN}"}
NIGHTLY = {"schedule_id": "nightly", "cron": "0 3 * * *", "mode": "backfill", "days": 7}


@dataclass
class Served:
    """The app over a Gold of its own; what it publishes reaches Gold by `deliver`."""

    api: aiohttp.ClientSession
    outbox: Outbox
    gold: Gold

    async def ask(self, method: str, path: str, status: int, body: Any = None, headers: Any = BEARER) -> dict[str, Any]:
        async with self.api.request(method, f"/api/schedule/{path}", json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == status, answer
            return answer

    async def deliver(self) -> list[str]:
        """Bring Gold up to what was published; returns what was asked for."""
        assert all(topic is SCHEDULE_CHANGES for topic, _ in self.outbox.records)
        changes = [ScheduleChange.decode(record.encode()) for _, record in self.outbox.records]
        self.outbox.records.clear()
        await list_schedules(changes, self.gold)
        return [change.change for change in changes]

    async def listed(self) -> list[dict[str, Any]]:
        return (await self.ask("GET", "list", 200, headers={}))["schedules"]


@pytest.fixture
async def served(tmp_path: Path, outbox: Outbox) -> AsyncIterator[Served]:
    async with (
        serve_gold(tmp_path / "gold.duckdb") as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), outbox) as url,
        aiohttp.ClientSession(url) as api,
    ):
        yield Served(api, outbox, gold.gold)


async def test_a_schedule_is_created_listed_paused_resumed_and_deleted(served: Served) -> None:
    created = await served.ask("POST", "create", 202, NIGHTLY)
    assert await served.deliver() == ["create"]
    (listed,) = await served.listed()
    assert listed == created
    assert {name: listed[name] for name in NIGHTLY} == NIGHTLY
    assert (listed["says"], listed["paused"], listed["last_run"]) == ("At 03:00 every day", False, None)

    paused = await served.ask("PUT", "nightly/toggle", 202)
    assert await served.deliver() == ["pause"]
    assert await served.listed() == [paused]
    assert (paused["paused"], paused["next_run"]) == (True, None)

    resumed = await served.ask("PUT", "nightly/toggle", 202)
    assert await served.deliver() == ["resume"]
    assert await served.listed() == [resumed] == [created]

    assert await served.ask("DELETE", "nightly", 202) == {"schedule_id": "nightly"}
    assert await served.deliver() == ["delete"]
    assert await served.listed() == []


async def test_times_are_chicagos(served: Served) -> None:
    schedule = Schedule.model_validate(NIGHTLY)
    due = datetime(2026, 1, 10, 9, tzinfo=UTC)
    changes = [
        ScheduleChange(schedule_id="nightly", change="create", schedule=schedule, at=datetime(2026, 1, 9, tzinfo=UTC)),
        ScheduleChange(schedule_id="nightly", change="fire", due=due),
    ]
    await list_schedules(changes, served.gold)
    (listed,) = await served.listed()
    assert listed["created_at"] == "2026-01-08T18:00:00-06:00"
    assert listed["last_run"] == "2026-01-10T03:00:00-06:00"
    coming = datetime.fromisoformat(listed["next_run"])
    assert (coming.hour, coming.minute, coming.tzinfo is None) == (3, 0, False)
    assert coming > datetime.now(UTC)


async def test_a_cron_expression_is_told_in_words_with_its_next_times(served: Served) -> None:
    found = await served.ask("GET", "preview?cron=30%202%20%20*%20*%20SUN&count=60", 422, headers={})
    assert found["error"]["field"] == "count"
    found = await served.ask("GET", "preview?cron=30%202%20%20*%20*%20SUN", 200, headers={})
    assert (found["cron"], found["says"]) == ("30 2 * * SUN", "At 02:30 on Sunday")
    times = [datetime.fromisoformat(time) for time in found["next_runs"]]
    assert len(times) == 3
    assert times[0] > datetime.now(UTC)
    assert all(time.isoweekday() == 7 for time in times)
    assert all((time.hour, time.minute) in ((2, 30), (3, 0)) for time in times)  # 3:00 on the one night without a 2:30
    error = (await served.ask("GET", "preview?cron=30%202%20*%20*", 422, headers={}))["error"]
    assert (error["field"], "such as 0 3 * * *" in error["message"]) == ("cron", True)


async def test_a_name_is_made_up_for_a_schedule_without(served: Served) -> None:
    unnamed = {"cron": "0 4 * * SUN", "mode": "audit"}
    first, second = [await served.ask("POST", "create", 202, unnamed) for _ in range(2)]
    assert await served.deliver() == ["create", "create"]
    assert {listed["schedule_id"] for listed in await served.listed()} == {first["schedule_id"], second["schedule_id"]}


async def test_a_name_that_is_taken_is_refused(served: Served) -> None:
    await served.ask("POST", "create", 202, NIGHTLY)
    await served.deliver()
    error = (await served.ask("POST", "create", 409, NIGHTLY))["error"]
    assert (error["field"], error["code"]) == ("schedule_id", "exists")
    assert error["hint"]
    assert await served.deliver() == []


async def test_a_wrong_schedule_is_refused_by_field(served: Served) -> None:
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"cron": "0 3 * *"}, "cron", "such as 0 3 * * *"),
        ({"cron": "0 25 * * *"}, "cron", "bad hour"),
        ({"cron": None}, "cron", "string"),
        ({"mode": "train"}, "mode", "'audit'"),
        ({"days": None}, "days", "add days"),
        ({"datasets": ["boats"]}, "datasets.0", "'vehicles'"),
        ({"missed": "twice"}, "missed", "'skip'"),
        ({"schedule_id": "a/b"}, "schedule_id", "pattern"),
        ({"timezone": "UTC"}, "timezone", "not permitted"),
    ]
    for change, field, words in wrong:
        error = (await served.ask("POST", "create", 422, {**NIGHTLY, **change}))["error"]
        assert error["field"] == field
        assert words in error["message"]
        assert error["hint"]
    assert served.outbox.records == []


async def test_an_unknown_schedule_is_a_404_that_names_it(served: Served) -> None:
    for method, path in (("PUT", "nobody/toggle"), ("DELETE", "nobody")):
        error = (await served.ask(method, path, 404))["error"]
        assert error["field"] == "schedule_id"
        assert "nobody" in error["message"]
    assert served.outbox.records == []


async def test_without_the_token_nothing_is_changed(served: Served) -> None:
    for method, path in (("POST", "create"), ("PUT", "nightly/toggle"), ("DELETE", "nightly")):
        answer = await served.ask(method, path, 401, NIGHTLY if method == "POST" else None, headers={})
        assert answer["error"]["field"] == "Authorization"
    assert served.outbox.records == []


async def test_without_a_broker_the_caller_is_told_to_try_again(served: Served) -> None:
    served.outbox.failure = BrokerUnavailable("no Kafka broker answers", hint="check CRASH_KAFKA_BOOTSTRAP")
    assert (await served.ask("POST", "create", 503, NIGHTLY))["error"]["code"] == "broker-unavailable"
