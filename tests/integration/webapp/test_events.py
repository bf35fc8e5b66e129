"""Live events: whoever watches hears of what happens from now on."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from streams.publisher import Publisher, declare_topics
from streams.records import Failed, RunEvent
from streams.topics import RUN_EVENTS
from tests.embedded_broker import EmbeddedBroker
from tests.integration.webapp.serving import nowhere, serve_web
from webapp.live import WAITING, Event, Watcher


async def next_event(response: aiohttp.ClientResponse) -> tuple[str, dict[str, object]]:
    name, data = "", {}
    while line := (await response.content.readline()).decode().strip() or name == "":
        if isinstance(line, str) and line.startswith("event:"):
            name = line.removeprefix("event:").strip()
        if isinstance(line, str) and line.startswith("data:"):
            data = json.loads(line.removeprefix("data:"))
    return name, data


@pytest.mark.timeout(60)
async def test_watchers_hear_of_their_run(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        await declare_topics(broker.bootstrap)
        async with (
            Publisher(broker.bootstrap) as publisher,
            serve_web(nowhere(tmp_path, kafka_bootstrap=broker.bootstrap), publisher.publish) as url,
            aiohttp.ClientSession(url) as session,
            session.get("/api/events?run=mine") as watched,
        ):
            assert watched.headers["Content-Type"].startswith("text/event-stream")
            hearing = asyncio.create_task(next_event(watched))
            number = 0
            while not hearing.done():  # the listener takes a moment to find its place
                number += 1
                failed = Failed(stage="fetch", page_id=f"p{number}", error="it did")
                for run_id in ("other", "mine"):
                    await publisher.publish(RUN_EVENTS, RunEvent(run_id=run_id, event=failed))
                await asyncio.sleep(0.2)
            name, data = await hearing
            assert (name, data["run_id"], data["event"]["what"]) == ("run", "mine", "failed")


async def test_a_slow_watcher_is_told_how_many_it_missed() -> None:
    watcher = Watcher()
    for number in range(WAITING + 3):
        watcher.put(Event("run", {"number": number}))
    first = await watcher.get()
    assert (first.missed, first.data) == (3, {"number": 3})
    assert (await watcher.get()).missed == 0
