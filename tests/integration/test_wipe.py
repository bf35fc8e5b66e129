"""Gold is wiped, and layers are deleted: what comes back is whole, and nothing that is left goes wrong by it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from aiohttp.test_utils import TestServer

from agents import load as loading
from agents.load import catch_up
from models.registry import Registry
from streams.domain.compare import changed_crashes
from streams.errors import GoldBusy, GoldDenied
from streams.rebuild import GoldRebuild, SilverRebuild
from streams.storage.gold.client import GoldClient
from streams.storage.gold.server import create_app
from streams.topics import BRONZE_WRITTEN, SILVER_READY
from tests.pipeline import Pipeline, city, pipeline
from webapp.removal import Removal

TOKEN = "a-token-for-tests"


@pytest.fixture
async def pipe(tmp_path: Path) -> AsyncIterator[Pipeline]:
    async with pipeline(tmp_path, city(5, date(2024, 1, 20), date(2024, 2, 20), 80)) as running:
        running.page_rows = 100
        await running.fetch_all("first")
        yield running


@pytest.fixture
async def client(pipe: Pipeline) -> AsyncIterator[GoldClient]:
    app = create_app(pipe.gold, GoldRebuild(pipe.silver, pipe.gold), TOKEN)
    async with TestServer(app) as server, GoldClient(str(server.make_url(""))) as client:
        yield client


def counts(pipe: Pipeline) -> dict[str, int]:
    return dict(pipe.gold.status().rows)


async def rebuild_silver(pipe: Pipeline) -> None:
    work = SilverRebuild(pipe.bronze, pipe.silver, pipe.emit, "rebuild")
    for month in await work.months():
        await work.build(month)


async def test_a_wipe_takes_what_silver_gives_again_and_leaves_the_rest(pipe: Pipeline, client: GoldClient) -> None:
    await pipe.merge_and_load()
    before = counts(pipe)
    with pytest.raises(GoldDenied, match="CRASH_API_TOKEN"):
        await client.wipe("another token")
    assert counts(pipe) == before
    gone = await client.wipe(TOKEN)
    assert gone == {name: before[name] for name in ("crashes", "vehicles", "people", "scores", "applied")}
    assert gone["crashes"] == 80
    assert counts(pipe) == before | dict.fromkeys(gone, 0)
    assert before["runs"] > 0 < before["run_pages"]


async def test_a_restart_after_a_wipe_brings_everything_back(pipe: Pipeline, client: GoldClient) -> None:
    await pipe.merge_and_load()
    await client.wipe(TOKEN)
    assert await catch_up(pipe.silver, pipe.gold, pipe.bronze, pipe.emit) == len(await pipe.silver.months())
    assert await pipe.wrong() == []


async def test_what_is_loaded_after_a_wipe_is_a_whole_month(pipe: Pipeline, client: GoldClient) -> None:
    pages = pipe.take(BRONZE_WRITTEN)
    for written in pages[:-1]:
        await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    await client.wipe(TOKEN)
    await pipe.merge(pages[-1])
    ready = pipe.take(SILVER_READY)
    assert ready[0].base > 0, "what is announced is a change to rows that are no more"
    await pipe.load(ready)
    month = ready[0].month
    assert set(pipe.gold.applied()) == {month}
    whole = await pipe.silver.at(month)
    assert counts(pipe)["crashes"] == whole["crash"].drop_nulls().len() > ready[0].crashes
    await client.rebuild(TOKEN)
    with pytest.raises(GoldBusy, match="being rebuilt"):
        await client.wipe(TOKEN)
    while (await client.rebuilding())["state"] == "running":
        await asyncio.sleep(0.02)
    assert await pipe.wrong() == []


async def test_a_wipe_in_the_middle_of_a_load_leaves_no_half_month(
    pipe: Pipeline, client: GoldClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = pipe.take(BRONZE_WRITTEN)
    for written in pages[:-1]:
        await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    await pipe.merge(pages[-1])
    ready = pipe.take(SILVER_READY)
    settle = loading.settle

    def wipe_first(*changes: dict[str, pl.DataFrame]) -> object:
        pipe.gold.wipe()
        return settle(*changes)

    with monkeypatch.context() as patched:
        patched.setattr(loading, "settle", wipe_first)
        with pytest.raises(GoldBusy, match="wiped"):
            await pipe.load(ready)
    assert counts(pipe)["crashes"] == counts(pipe)["applied"] == 0
    await pipe.load(ready)  # as it is tried again
    assert counts(pipe)["crashes"] == (await pipe.silver.at(ready[0].month))["crash"].drop_nulls().len()


async def test_silver_is_deleted_and_computed_again_and_gold_hears_of_what_comes_later(pipe: Pipeline) -> None:
    removal = Removal(pipe.objects, pipe.silver, Registry(pipe.objects, pipe.emit))
    pages = pipe.take(BRONZE_WRITTEN)
    for written in pages[:-2]:
        await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    heads = {month: await pipe.silver.head(month) for month in await pipe.silver.months()}
    held = counts(pipe)["crashes"]
    assert (await removal.remove("silver", "")).objects > len(heads)
    for month, head in heads.items():
        (left,) = await pipe.silver.history(month)
        assert (left.version, left.rows) == (head.version + 1, {"crashes": 0, "vehicles": 0, "people": 0})
    assert await catch_up(pipe.silver, pipe.gold, pipe.bronze, pipe.emit) == 0
    assert counts(pipe)["crashes"] == held, "Gold goes on with what it has"
    await rebuild_silver(pipe)
    for written in pages[-2:]:
        await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    assert await pipe.wrong() == []


async def test_rows_whose_pages_are_deleted_outlive_a_rebuild(pipe: Pipeline) -> None:
    removal = Removal(pipe.objects, pipe.silver, Registry(pipe.objects, pipe.emit))
    await pipe.merge_and_load()
    before = {month: await pipe.silver.at(month) for month in await pipe.silver.months()}
    await removal.remove("bronze", "vehicles/")
    assert {page.dataset for page in await pipe.bronze.pages()} == {"crashes", "people"}
    await rebuild_silver(pipe)
    for month, frame in before.items():
        assert changed_crashes(frame, await pipe.silver.at(month)).is_empty()
    await pipe.load(pipe.take(SILVER_READY))
    assert await pipe.wrong() == []


async def test_what_would_be_missed_without_a_word_is_not_deleted(pipe: Pipeline) -> None:
    removal = Removal(pipe.objects, pipe.silver, Registry(pipe.objects, pipe.emit))
    for folder in ("month=2024-01/", "month=2024-01/versions/"):
        refused = await removal.consequence("silver", folder)
        assert refused.refused
        assert "rebuild silver --month 2024-01" in refused.heals
    assert not (await removal.consequence("silver", "month=2024-01/deltas/")).refused
    assert (await removal.consequence("models", "serving/injury/")).refused
    assert not (await removal.consequence("silver", "")).refused
    await pipe.objects.put("bronze", "_extent.json", b"{}")
    await removal.remove("bronze", "")
    assert [info.key async for info in pipe.objects.list("bronze")] == ["_extent.json"]
    assert "no page" in str((await removal.consequence("silver", "")).refused)
