"""Every part of the service, for real: broker, store, a worker's and Gold's membership, a portal that answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiokafka import AIOKafkaConsumer

from monitoring.health import MEMBERS_WANTED
from streams.publisher import declare_topics
from streams.settings import Settings
from streams.topics import BACKFILL_REQUESTS
from tests.embedded_broker import EmbeddedBroker
from tests.embedded_s3 import embedded_store
from tests.integration.webapp.serving import nowhere, serve_gold


@dataclass
class Parts:
    """What runs, and the settings that lead to it."""

    settings: Settings
    broker: EmbeddedBroker


@asynccontextmanager
async def running_parts(folder: Path, gold_file: Path) -> AsyncIterator[Parts]:
    """Start all parts under `folder`, over the Gold at `gold_file`."""
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(folder / "broker"))
        store = await stack.enter_async_context(embedded_store(folder / "s3"))
        gold = await stack.enter_async_context(serve_gold(gold_file))
        portal = await stack.enter_async_context(serve_portal())
        await declare_topics(broker.bootstrap)
        for group in MEMBERS_WANTED:
            await stack.enter_async_context(member(broker.bootstrap, group))
        settings = nowhere(
            folder,
            portal_url=portal,
            kafka_bootstrap=broker.bootstrap,
            s3_endpoint_url=store.endpoint_url,
            s3_access_key=store.access_key,
            s3_secret_key=store.secret_key,
            gold_port=gold.port,
        )
        yield Parts(settings, broker)


@asynccontextmanager
async def member(bootstrap: str, group: str) -> AsyncIterator[None]:
    """A member of a consumer group, as each of our processes is one."""
    consumer = AIOKafkaConsumer(BACKFILL_REQUESTS.name, bootstrap_servers=bootstrap, group_id=group)
    await consumer.start()
    try:
        yield
    finally:
        # A consumer that has lost its broker in between may wait for it for ever.
        with suppress(TimeoutError):
            await asyncio.wait_for(consumer.stop(), 10)


@asynccontextmanager
async def serve_portal(status: int = 200, *, hangs: bool = False, token: str | None = None) -> AsyncIterator[str]:
    """A portal that answers for its views with `status`; with `token`, it denies whoever sends another."""
    over = asyncio.Event()

    async def view(request: web.Request) -> web.Response:
        if hangs:
            await over.wait()
        given = request.headers.get("X-App-Token")
        if token and given not in (None, token):
            return web.json_response({"code": "permission_denied", "error": True}, status=403)
        return web.json_response({"rowsUpdatedAt": 1_763_870_400}, status=status)

    app = web.Application()
    app.router.add_get("/api/views/85ca-t3if.json", view)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        over.set()
        await runner.cleanup()
