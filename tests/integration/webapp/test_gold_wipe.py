"""Gold is wiped and rebuilt over the API, by its owner."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from streams.domain.compare import changed_crashes
from streams.domain.merge import empty_month
from streams.rebuild import GoldRebuild
from streams.storage.gold.gold import Gold
from streams.storage.gold.server import create_app
from streams.storage.silver import Head, Silver
from tests.embedded_s3 import shared_objects
from tests.gold_rows import crash, silver
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_web

BEARER = {"Authorization": f"Bearer {TOKEN}"}
MONTH = silver([crash("a"), crash("b")])


@pytest.fixture(params=[TOKEN])
async def session(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[aiohttp.ClientSession]:
    """The app over a Gold that is behind its Silver, and whose owner knows the token of `request`."""
    gold = Gold.open(tmp_path / "gold.duckdb")
    async with shared_objects() as objects:
        versions = Silver(objects)
        await versions.append(Head("2024-01"), "page", MONTH, changed_crashes(empty_month(), MONTH))
        owner = create_app(gold, GoldRebuild(versions, gold), request.param)
        async with (
            TestServer(owner) as server,
            serve_web(nowhere(tmp_path, gold_port=server.port), Outbox()) as url,
            aiohttp.ClientSession(url) as session,
        ):
            yield session
    gold.close()


async def ask(session: aiohttp.ClientSession, method: str, path: str, status: int = 200, **more: object) -> dict:
    async with session.request(method, f"/api/gold/{path}", **more) as response:
        body = await response.json()
        assert response.status == status, body
        return body


async def crashes(session: aiohttp.ClientSession) -> int:
    return (await ask(session, "GET", "status"))["rows"]["crashes"]


async def test_gold_is_rebuilt_wiped_and_rebuilt(session: aiohttp.ClientSession) -> None:
    assert (await ask(session, "GET", "rebuild"))["state"] == "idle"
    for method, path in (("POST", "rebuild"), ("DELETE", "wipe?confirm=gold")):
        assert (await ask(session, method, path, 401))["error"]["field"] == "Authorization"
    for again in range(2):
        assert (await ask(session, "POST", "rebuild", 202, headers=BEARER))["state"] == "running"
        while (progress := await ask(session, "GET", "rebuild"))["state"] == "running":
            await asyncio.sleep(0.02)
        assert (progress["state"], progress["put_in"], progress["done"]) == ("done", 2, 1)
        assert await crashes(session) == 2
        for confirm in ("", "?confirm=GOLD"):
            error = (await ask(session, "DELETE", f"wipe{confirm}", 422, headers=BEARER))["error"]
            assert (error["field"], error["hint"]) == ("confirm", "add confirm=gold")
        assert await crashes(session) == 2
        counted = await ask(session, "DELETE", "wipe?dry_run=true", headers=BEARER)
        assert (counted["rows"]["crashes"], counted["deleted"], await crashes(session)) == (2, False, 2)
        wiped = await ask(session, "DELETE", "wipe?confirm=gold", headers=BEARER)
        assert wiped == counted | {"deleted": True}, again
        assert wiped["lost"]
        assert wiped["heals"]
        assert await crashes(session) == 0


@pytest.mark.parametrize("session", ["another-token"], indirect=True)
async def test_an_owner_with_another_token_is_told_of(session: aiohttp.ClientSession) -> None:
    for method, path in (("POST", "rebuild"), ("DELETE", "wipe?confirm=gold")):
        error = (await ask(session, method, path, 403, headers=BEARER))["error"]
        assert (error["field"], "same secret" in error["hint"]) == ("CRASH_API_TOKEN", True)
