"""Silver is built again from Bronze and Gold from Silver while pages are merged, months loaded and queries asked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from aiohttp.test_utils import TestServer

from streams.domain.compare import changed_crashes
from streams.errors import GoldError, GoldUnavailable, MalformedPage, RequestError
from streams.rebuild import GoldRebuild, SilverRebuild
from streams.storage.gold.client import GoldClient
from streams.storage.gold.server import create_app
from streams.topics import BRONZE_WRITTEN, SILVER_READY
from tests.gold_rows import crash, person, silver
from tests.pipeline import Pipeline, city, pipeline

TOKEN = "a-token-for-tests"


@pytest.fixture
async def pipe(tmp_path: Path) -> AsyncIterator[Pipeline]:
    tables = city(3, date(2024, 1, 20), date(2024, 2, 20), 200)
    async with pipeline(tmp_path, tables) as running:
        running.page_rows = 250
        await running.fetch_all("first")
        yield running


async def rebuild(pipe: Pipeline, only: str | None = None) -> dict[str, int | None]:
    """Rebuild Silver; the version written, by month."""
    work = SilverRebuild(pipe.bronze, pipe.silver, pipe.emit, "rebuild")
    return {month: (await work.build(month)).version for month in await work.months(only)}


async def spoil(pipe: Pipeline, month: str) -> None:
    """Append a version that lacks crashes, has an invented one, and values that nobody published."""
    head = await pipe.silver.head(month)
    before = await pipe.silver.month(head)
    wrong = before.tail(-3).with_columns(
        pl.col("crash").struct.with_fields(pl.lit("SPOILT").alias("weather_condition")),
        pl.col("people").list.head(1),
    )
    invented = silver([crash("invented", crash_date=f"{month}-09T00:00:00.000")], [], [person("P0", "invented")])
    wrong = pl.concat([wrong, invented]).sort("crash_record_id")
    await pipe.silver.append(head, "spoilt", wrong, changed_crashes(before, wrong))


async def load_heads(pipe: Pipeline) -> None:
    """Load what Silver holds, wrong or not."""
    work = GoldRebuild(pipe.silver, pipe.gold)
    work.start()
    while work.progress()["state"] == "running":
        await asyncio.sleep(0.02)


async def test_a_right_silver_is_left_alone(pipe: Pipeline) -> None:
    for written in pipe.take(BRONZE_WRITTEN):
        await pipe.merge(written)
    pipe.take(SILVER_READY)
    heads = {month: await pipe.silver.head(month) for month in await pipe.silver.months()}
    assert await rebuild(pipe) == dict.fromkeys(heads)
    assert {month: await pipe.silver.head(month) for month in heads} == heads
    assert {ready.month for ready in pipe.take(SILVER_READY)} == set(heads), "announced once more, to be sure"


async def test_a_wrong_month_is_put_right_in_silver_and_gold_while_merges_go_on(pipe: Pipeline) -> None:
    pages = pipe.take(BRONZE_WRITTEN)
    for written in pages[: len(pages) // 2]:
        await pipe.merge(written)
    for month in await pipe.silver.months():
        await spoil(pipe, month)
    await load_heads(pipe)
    assert pipe.gold.query("select count(*) as n from crashes where weather_condition = 'SPOILT'").table["n"][0].as_py()

    async def merge_the_rest() -> None:
        for written in pages[len(pages) // 2 :]:
            await pipe.merge(written)

    await asyncio.gather(merge_the_rest(), rebuild(pipe), rebuild(pipe))
    await pipe.load(pipe.take(SILVER_READY))
    assert await pipe.wrong() == []
    assert await rebuild(pipe) == dict.fromkeys(await pipe.silver.months())
    for month in await pipe.silver.months():
        history = await pipe.silver.history(month)
        assert len(history) == history[-1].version, "the chain has no gap and no fork"


async def test_tombstones_and_pages_without_metadata_count_too(pipe: Pipeline) -> None:
    await pipe.merge_and_load()
    (held,) = pipe.gold.query(
        "select crash_record_id as id, strftime(crash_date, '%Y-%m') as month from crashes limit 1"
    ).table.to_pylist()
    stone = crash(held["id"], crash_date=f"{held['month']}-01T00:00:00.000", **{":id": "row-1", ":gone": True})
    await pipe.bronze.keep("audits", "crashes", [stone | {":updated_at": "2099-01-01T00:00:00.000Z"}])
    for page in await pipe.bronze.pages():
        body, info = await pipe.objects.get("bronze", page.key)
        await pipe.objects.put("bronze", page.key, body, content_encoding=info.content_encoding)
    written = await rebuild(pipe)
    assert [month for month, version in written.items() if version] == [held["month"]]
    await pipe.load(pipe.take(SILVER_READY))
    assert pipe.gold.query(f"from crashes where crash_record_id = '{held['id']}'").table.num_rows == 0


async def test_one_month_is_built_from_its_own_pages_alone(pipe: Pipeline) -> None:
    for written in pipe.take(BRONZE_WRITTEN):
        await pipe.merge(written)
    right = await pipe.silver.at("2024-02")
    await spoil(pipe, "2024-02")
    for page in await pipe.bronze.pages():
        assert page.months
        if "2024-02" not in page.months:
            info = await pipe.objects.head("bronze", page.key)
            await pipe.objects.put("bronze", page.key, b"damaged", metadata=info.metadata)
    assert await rebuild(pipe, "2024-02") == {"2024-02": (await pipe.silver.head("2024-02")).version}
    assert changed_crashes(right, await pipe.silver.at("2024-02")).is_empty()
    with pytest.raises(MalformedPage, match=r"/.*is no JSON.*restore the object"):
        await rebuild(pipe, "2024-01")
    with pytest.raises(RequestError, match="neither Bronze nor Silver has the month 1999-01"):
        await rebuild(pipe, "1999-01")


def corrupt(pipe: Pipeline) -> None:
    for sql in (
        "update crashes set weather_condition = 'SPOILT', veh_count = 99 where hour < 8",
        "update vehicles set crash_date = timestamp '1999-01-01' where vehicle_year < 2010",
        "update people set crash_record_id = null where age > 60",
        "update people set crash_record_id = 'astray' where age < 20",
        "delete from people where sex = 'F'",
        "insert into vehicles from vehicles where unit_no = 1",
        "insert into crashes by name select 'invented' as crash_record_id, timestamp '2024-02-03' as crash_date",
        "insert into crashes by name select 'undated' as crash_record_id",
        "update applied set version = version + 100 where month = '2024-02'",
        "insert into applied values ('1999-01', 7, timestamp '2024-01-01')",
    ):
        pipe.gold._write(lambda cursor, sql=sql: cursor.execute(sql))


async def test_a_corrupt_gold_is_put_right_while_months_are_loaded_and_queries_asked(pipe: Pipeline) -> None:
    pages = pipe.take(BRONZE_WRITTEN)
    for written in pages[:-4]:
        await pipe.merge(written)
    await pipe.load(pipe.take(SILVER_READY))
    corrupt(pipe)
    work = GoldRebuild(pipe.silver, pipe.gold)
    async with (
        TestServer(create_app(pipe.gold, work, TOKEN)) as server,
        GoldClient(url := str(server.make_url(""))) as client,
    ):
        with pytest.raises(GoldError, match="CRASH_API_TOKEN"):
            await client.rebuild("another token")
        assert (await client.rebuilding())["state"] == "idle"
        assert (await client.rebuild(TOKEN))["state"] == "running"
        assert (await client.rebuild(TOKEN))["state"] == "running", "one at a time"

        async def queries() -> int:
            asked = 0
            while (await client.rebuilding())["state"] == "running":
                whole = "select count(*) as n from crashes where strftime(crash_date, '%Y-%m') = '2024-02'"
                assert (await client.query(whole)).table["n"][0].as_py() > 0, "a month is never seen empty"
                asked += 1
                await asyncio.sleep(0.05)
            return asked

        async def merges() -> None:
            for written in pages[-4:]:
                await pipe.merge(written)
                await pipe.load(pipe.take(SILVER_READY))

        asked, _ = await asyncio.gather(queries(), merges())
        progress = await client.rebuilding()
    assert asked > 0
    assert (progress["state"], progress["error"], progress["done"]) == ("done", None, progress["months"])
    assert progress["put_in"] > 0 < progress["taken_out"]
    assert await pipe.wrong() == []
    assert pipe.gold.applied() == {m: (await pipe.silver.head(m)).content for m in await pipe.silver.months()}
    async with GoldClient(url) as client:
        with pytest.raises(GoldUnavailable, match="start `crash-stream gold`"):
            await client.rebuild(TOKEN)
