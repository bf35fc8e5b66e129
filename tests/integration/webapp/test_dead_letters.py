"""Dead letters over the API: listed from the real Gold, and replayed through the real broker."""

import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from agents.trace import list_dead
from streams.publisher import Publisher, declare_topics
from streams.records import DeadLetter
from streams.storage.gold.gold import Gold
from streams.topics import CRASH_PAGES, DEAD_LETTERS
from tests.embedded_broker import EmbeddedBroker
from tests.integration.webapp.serving import TOKEN, ServedGold, nowhere, serve_gold, serve_web

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}
REPLAY = "/api/dead-letters/replay"


def letter(offset: int, value: bytes | None = b"{", **values: Any) -> DeadLetter:
    given: dict[str, Any] = {
        "topic": "crash-pages",
        "partition": 3,
        "stage": "fetch",
        "error": "MalformedMessage",
        "message": "no JSON",
        "key": b"key",
        "at": NOON + timedelta(seconds=offset),
    }
    return DeadLetter(offset=offset, value=value, **(given | values))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[ServedGold]:
    async with serve_gold(tmp_path / "gold.duckdb") as served:
        yield served


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        await declare_topics(broker.bootstrap)
        yield broker


@pytest.fixture
async def api(served: ServedGold, broker: EmbeddedBroker, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    settings = nowhere(tmp_path, gold_port=served.port)
    async with (
        Publisher(broker.bootstrap) as publisher,
        serve_web(settings, publisher.publish, publisher.republish) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


async def listed(api: aiohttp.ClientSession, **parameters: Any) -> list[dict[str, Any]]:
    async with api.get("/api/dead-letters", params=parameters) as response:
        assert response.status == 200, await response.text()
        return (await response.json())["dead_letters"]


async def replay(api: aiohttp.ClientSession, status: int = 202, **which: Any) -> dict[str, Any]:
    async with api.post(REPLAY, json=which, headers=AUTHORISED) as response:
        body = await response.json()
        assert response.status == status, body
        return body


async def messages(broker: EmbeddedBroker, topic: str, count: int) -> list[ConsumerRecord]:
    """The first `count` messages of a topic, and whatever came along with them."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found: list[ConsumerRecord] = []
        while len(found) < count:
            for batch in (await consumer.getmany(timeout_ms=5000)).values():
                found += batch
        return found
    finally:
        await consumer.stop()


async def hear(gold: Gold, broker: EmbeddedBroker, count: int) -> None:
    """Have Gold take down what is on `dead-letters`, as its owner does."""
    heard = await messages(broker, DEAD_LETTERS.name, count)
    await list_dead([DeadLetter.decode(message.value) for message in heard], gold)


async def test_letters_come_newest_first_and_show_their_bytes_as_text_where_they_are_text(
    served: ServedGold, api: aiohttp.ClientSession
) -> None:
    letters = [
        letter(1, "né".encode() * 1000, run_id="r"),
        letter(2, b"\xff\xfe", topic="bronze-written", key=None),
        letter(3, None, key=b"\x80"),
    ]
    served.gold.bury(letters)
    third, second, first = await listed(api)
    assert (first["letter"], first["value"], first["size"]) == ("crash-pages/3/1", "né" * 200, 3000)
    assert (first["key"], first["failed_at"], first["replayed_at"]) == ("key", "2024-03-01T12:00:01", None)
    assert (second["value"], second["value_base64"], second["key"], second["key_base64"]) == (None, "//4=", None, None)
    assert (third["value"], third["value_base64"], third["size"]) == (None, None, None)
    assert (third["key"], third["key_base64"]) == (None, "gA==")
    assert [row["letter"] for row in await listed(api, topic="bronze-written")] == ["bronze-written/3/2"]
    assert [row["offset"] for row in await listed(api, run="r")] == [1]
    assert [row["offset"] for row in await listed(api, limit=2)] == [3, 2]


async def test_a_replayed_message_comes_again_byte_for_byte_and_its_letter_says_when(
    served: ServedGold, broker: EmbeddedBroker, api: aiohttp.ClientSession
) -> None:
    served.gold.bury([letter(1, b"\xff\x00"), letter(2, None), letter(3, key=None), letter(4, topic="run-events")])
    assert await replay(api, topic="crash-pages") == {"replayed": 3, "refused": {}}
    came = await messages(broker, CRASH_PAGES.name, 3)
    assert {(one.key, one.value) for one in came} == {(b"key", b"\xff\x00"), (b"key", None), (None, b"{")}
    await hear(served.gold, broker, 3)
    assert [row["offset"] for row in await listed(api, replayed="false")] == [4]
    again = {row["offset"]: row["replayed_at"] for row in await listed(api, replayed="true")}
    assert set(again) == {1, 2, 3}
    assert datetime.fromisoformat(again[1]).replace(tzinfo=UTC) > datetime.now(UTC) - timedelta(minutes=1)
    assert await replay(api, topic="crash-pages") == {"replayed": 0, "refused": {}}
    assert await replay(api, letters=["crash-pages/3/1"]) == {"replayed": 1, "refused": {}}
    assert await replay(api, all=True) == {"replayed": 1, "refused": {}}


async def test_what_no_broker_takes_is_refused_with_the_reason_and_the_rest_is_replayed(
    served: ServedGold, broker: EmbeddedBroker, api: aiohttp.ClientSession
) -> None:
    served.gold.bury([letter(1, None, key=None), letter(2, b"x" * 2_500_000), letter(3)])
    done = await replay(api, all=True)
    assert done["replayed"] == 1
    assert "neither key nor value" in done["refused"]["crash-pages/3/1"]
    assert "2,500,003 bytes" in done["refused"]["crash-pages/3/2"]
    assert [one.value for one in await messages(broker, CRASH_PAGES.name, 1)] == [b"{"]


async def test_a_replay_of_what_is_not_there_publishes_nothing_and_says_what_is_wrong(
    served: ServedGold, api: aiohttp.ClientSession
) -> None:
    served.gold.bury([letter(1)])
    wrong: list[tuple[dict[str, Any], str | None]] = [
        ({}, None),
        ({"letters": None}, None),
        ({"all": False}, "all"),
        ({"all": True, "topic": "crash-pages"}, None),
        ({"letters": []}, "letters"),
        ({"letters": ["crash-pages/3"]}, "letters.0"),
        ({"letters": ["crash-pages/3/1", "crash-pages/3/2"]}, "letters"),
        ({"topic": "crash-page"}, "topic"),
        ({"topics": "crash-pages"}, "topics"),
    ]
    for body, field in wrong:
        error = (await replay(api, 422, **body))["error"]
        assert (error["field"], bool(error["hint"])) == (field, True), body
    async with api.post(REPLAY, json={"all": True}) as response:
        assert (response.status, (await response.json())["error"]["field"]) == (401, "Authorization")
    assert len(await listed(api, replayed="false")) == 1


async def test_a_flood_of_letters_is_taken_down_listed_and_replayed_in_seconds(
    served: ServedGold, broker: EmbeddedBroker, api: aiohttp.ClientSession
) -> None:
    flood = [letter(offset, json.dumps({"number": offset}).encode()) for offset in range(3000)]
    begun = time.monotonic()
    for start in range(0, len(flood), 64):
        served.gold.bury(flood[start : start + 64])
    assert len(await listed(api, limit=10_000)) == 3000
    assert (await replay(api, all=True))["replayed"] == 3000
    assert time.monotonic() - begun < 30
    assert len({one.value for one in await messages(broker, CRASH_PAGES.name, 3000)}) == 3000
