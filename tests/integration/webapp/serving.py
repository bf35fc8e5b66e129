"""The real web app over a real Gold, each on a free port of this process's own loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from aiohttp import web

from models.registry import Registry
from models.scorer import Scorer
from monitoring.health import Health
from streams.bootstrap import store
from streams.publisher import Emit, Publisher, Republish
from streams.records import Record
from streams.settings import Settings
from streams.socrata.client import Portal
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import Gold
from streams.storage.gold.server import create_app as create_gold_app
from streams.storage.silver import Silver
from streams.topics import Topic
from webapp.app import create_app
from webapp.models import Models
from webapp.parts import Parts

TOKEN = "a-token-for-tests"


@dataclass
class Outbox:
    """Stands where the publisher stands: keeps what it is given, or fails as it is told to."""

    records: list[tuple[Topic, Record]] = field(default_factory=list)
    failure: Exception | None = None

    async def __call__(self, topic: Topic, record: Record) -> None:
        if self.failure:
            raise self.failure
        self.records.append((topic, record))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nowhere(data_dir: Path, **more: object) -> Settings:
    """Settings of which every part is unreachable."""
    closed = free_port()
    given = {
        "portal_url": f"http://127.0.0.1:{closed}",
        "kafka_bootstrap": f"127.0.0.1:{closed}",
        "s3_endpoint_url": f"http://127.0.0.1:{closed}",
        "s3_access_key": "key",
        "s3_secret_key": "secret",
        "gold_port": closed,
        "data_dir": data_dir,
        "api_token": TOKEN,
    }
    return Settings(_env_file=None, **{**given, **more})


@dataclass(frozen=True)
class ServedGold:
    """A Gold that is served: its port, and itself, to write to."""

    port: int
    gold: Gold


@asynccontextmanager
async def serve_gold(path: Path) -> AsyncIterator[ServedGold]:
    """Serve the Gold at `path`."""
    gold = await asyncio.to_thread(Gold.open, path)
    runner = web.AppRunner(create_gold_app(gold), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield ServedGold(runner.addresses[0][1], gold)
    finally:
        await runner.cleanup()
        await asyncio.to_thread(gold.close)


@asynccontextmanager
async def serve_web(settings: Settings, emit: Emit, republish: Republish | None = None) -> AsyncIterator[str]:
    """Serve the web app; yields its address. Without `republish` nothing can be replayed."""
    async with AsyncExitStack() as stack:
        gold = await stack.enter_async_context(GoldClient(settings.gold))
        health = await stack.enter_async_context(Health(settings))
        objects = await stack.enter_async_context(store(settings))
        registry = Registry(objects, emit)
        models = Models(registry, Scorer(registry))
        again = republish or Publisher(settings.broker).republish
        portal = await stack.enter_async_context(Portal.connect(settings.portal, None))
        app = create_app(Parts(settings, gold, emit, health, again, objects, Silver(objects), models, portal))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server.serve([listener]))
            try:
                while not server.started:
                    if serving.done():
                        serving.result()
                        raise RuntimeError("the web app ended at its start")
                    await asyncio.sleep(0.01)
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                await serving
