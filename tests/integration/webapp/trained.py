"""A simulated city in Gold, and two models really trained on it: made once, and given to each test as they were."""

import asyncio
import fcntl
import os
import pickle
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from shutil import copyfile
from typing import Any

import aiohttp
import pytest

from agents.train import train
from models.registry import BUCKET, Meta, Registry
from streams.records import TrainEvent, TrainRequest
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import Gold
from tests.city_gold import city_changes
from tests.embedded_s3 import shared_objects, shared_store
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_gold, serve_web

BEARER = {"Authorization": f"Bearer {TOKEN}"}
REPORT = TrainRequest(request_id="report", tier="report", algorithm="lightgbm")
SCENE = TrainRequest(request_id="scene", tier="at-scene", algorithm="logistic", promote="never")


@dataclass(frozen=True)
class City:
    """A Gold, and the registry's objects with two models for `injury`, of which `report` serves."""

    gold: Path
    objects: Mapping[str, bytes]
    report: Meta
    scene: Meta


def trained_city(factory: pytest.TempPathFactory) -> City:
    """The city, with a Gold of one's own: the first process of a run that asks makes it for all of them."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (shared / "city.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = shared / "city.pickle"
        if not kept.exists():
            made = asyncio.run(_made(factory.mktemp("city-made")))
            kept.write_bytes(pickle.dumps(made))
        city: City = pickle.loads(kept.read_bytes())
    gold = factory.mktemp("city") / city.gold.name
    copyfile(city.gold, gold)
    return replace(city, gold=gold)


async def _made(folder: Path) -> City:
    """Fill a Gold under ``folder``, and train on it."""
    path = folder / "gold.duckdb"
    gold = Gold.open(path)
    gold.load(city_changes(11, date(2025, 1, 1), date(2025, 4, 1), 4_000))
    gold.close()
    outbox = Outbox()
    async with (
        serve_gold(path) as served,
        GoldClient(f"http://127.0.0.1:{served.port}") as client,
        shared_objects() as objects,
    ):
        registry = Registry(objects, outbox)
        for request in (REPORT, SCENE):
            await train(request, client, registry, outbox, (), "0.1.0")
        events = [record for _, record in outbox.records if isinstance(record, TrainEvent)]
        await asyncio.to_thread(served.gold.note_training, events)
        metas = {meta.origin.request_id: meta for meta in await registry.list()}
        assert metas.keys() == {"report", "scene"}, [record for _, record in outbox.records][-1]
        bodies = {info.key: (await objects.get(BUCKET, info.key))[0] async for info in objects.list(BUCKET)}
    return City(path, bodies, metas["report"], metas["scene"])


@dataclass
class Served:
    """The app over the city."""

    api: aiohttp.ClientSession
    outbox: Outbox
    report: Meta
    scene: Meta
    url: str
    gold: Gold

    async def ask(self, method: str, path: str, status: int, body: Any = None, headers: Any = BEARER) -> dict[str, Any]:
        async with self.api.request(method, f"/api/model/{path}", json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == status, answer
            return answer


@asynccontextmanager
async def serve_city(city: City, folder: Path, *, trained: bool) -> AsyncIterator[Served]:
    """Serve the city, with its models or without."""
    outbox, store = Outbox(), shared_store()
    async with shared_objects() as objects, serve_gold(city.gold) as gold:
        for key, body in city.objects.items() if trained else ():
            await objects.put(BUCKET, key, body)
        settings = nowhere(
            folder,
            gold_port=gold.port,
            s3_endpoint_url=store.endpoint_url,
            s3_access_key=store.access_key,
            s3_secret_key=store.secret_key,
            api_reads=1_000_000,  # a test asks as fast as it can
        )
        async with serve_web(settings, outbox) as url, aiohttp.ClientSession(url) as api:
            yield Served(api, outbox, city.report, city.scene, url, gold.gold)
