"""From a row of Gold to the request that it came from: over the real portal, store, database and their servers."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from streams.errors import QueryRefused, RowMissing, StoreUnavailable
from streams.storage.gold.client import GoldClient
from streams.storage.gold.server import create_app
from streams.storage.objects import S3Objects
from tests.integration.webapp.serving import Outbox, free_port, nowhere, serve_web
from tests.pipeline import Pipeline, city, pipeline

KEYS = {"crashes": "crash_record_id", "vehicles": "crash_unit_id", "people": "person_id"}


@pytest.fixture
async def pipe(tmp_path: Path) -> AsyncIterator[Pipeline]:
    """A copy of two months, made by the run `first`."""
    tables = city(11, date(2024, 2, 10), date(2024, 3, 20), 60)
    async with pipeline(tmp_path, tables) as running:
        await running.fetch_all("first")
        await running.merge_and_load()
        yield running


@pytest.fixture
async def server(pipe: Pipeline) -> AsyncIterator[TestServer]:
    async with TestServer(create_app(pipe.gold, objects=pipe.objects)) as server:
        yield server


@pytest.fixture
async def client(server: TestServer) -> AsyncIterator[GoldClient]:
    async with GoldClient(str(server.make_url("/"))) as client:
        yield client


def rows(pipe: Pipeline, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    return pipe.gold.query(sql, parameters=parameters).table.to_pylist()


async def archived(pipe: Pipeline, key: str) -> list[dict[str, Any]]:
    body, info = await pipe.objects.get("bronze", key)
    return json.loads(gzip.decompress(body) if info.content_encoding else body)


async def test_a_row_leads_to_the_object_that_holds_it_and_to_the_runs_that_fetched_it(
    pipe: Pipeline, client: GoldClient
) -> None:
    await pipe.fetch_all("second")
    await pipe.merge_and_load()
    picked = [(table, row) for table in KEYS for row in rows(pipe, f"from {table} using sample 3 rows")]
    for table, row in picked:
        key = str(row[KEYS[table]])
        found = await client.lineage(table, key)
        assert (found.table, found.key, found.ends) == (table, key, None)
        assert found.gold.month == f"{row['crash_date']:%Y-%m}"
        assert found.gold.version == pipe.gold.applied()[found.gold.month]
        head = await pipe.silver.head(found.gold.month)
        assert (found.silver.key, found.silver.version, found.silver.content) == (head.key, head.version, head.content)
        (published,) = (one for one in await archived(pipe, found.bronze.key) if one[KEYS[table]] == key)
        assert published[":updated_at"] == found.silver.updated_at
        assert published[":id"] == found.silver.row_id
        info = await pipe.objects.head("bronze", found.bronze.key)
        assert (found.bronze.size, found.bronze.archived_at) == (info.size, info.modified)
        assert "/resource/" in found.bronze.request
        assert found.bronze.headers["Content-Type"].startswith("application/json")
        # The same page, with nothing new in it, is the same object: both runs fetched it.
        assert [(page.run_id, page.kind) for page in found.fetched] == [("first", "backfill"), ("second", "backfill")]
        for page in found.fetched:
            assert page.fetched_at <= page.merged_at <= page.loaded_at
            assert page.request == found.bronze.request


async def test_an_amended_row_leads_to_the_page_that_amended_it(pipe: Pipeline, client: GoldClient) -> None:
    (row,) = rows(pipe, "from crashes order by crash_date limit 1")
    before = await client.lineage("crashes", row["crash_record_id"])
    pipe.tables.upsert("crashes", [{"crash_record_id": row["crash_record_id"], "weather_condition": "BLIZZARD"}])
    late = {"person_id": "P999", "crash_record_id": row["crash_record_id"], "crash_date": "2024-03-05T10:00:00.000"}
    pipe.tables.upsert("people", [late])
    await pipe.fetch_all("second")
    await pipe.merge_and_load()
    found = await client.lineage("crashes", row["crash_record_id"])
    assert found.gold.row["weather_condition"] == "BLIZZARD"
    assert found.silver.updated_at > before.silver.updated_at
    assert found.bronze.key != before.bronze.key
    assert [page.run_id for page in found.fetched] == ["second"]
    # A child is in the month of its own date, whatever its crash's.
    child = await client.lineage("people", "P999")
    assert (child.gold.month, child.ends) == ("2024-03", None)
    assert any(one["person_id"] == "P999" for one in await archived(pipe, child.bronze.key))


async def test_where_the_trail_ends_or_does_not_begin_it_says_why(pipe: Pipeline, client: GoldClient) -> None:
    (row,) = rows(pipe, "from crashes order by crash_date limit 1")
    found = await client.lineage("crashes", row["crash_record_id"])
    await pipe.objects.delete("bronze", [found.bronze.key])
    gone = await client.lineage("crashes", row["crash_record_id"])
    assert (gone.bronze.key, gone.bronze.request, gone.bronze.archived_at) == (found.bronze.key, None, None)
    assert "not in Bronze any more" in gone.ends
    assert gone.fetched == found.fetched  # the run still knows what was asked
    for table, key in (("crashes", "no/such%20 id"), ("vehicles", "P1"), ("people", "' or true --")):
        with pytest.raises(RowMissing) as missing:
            await client.lineage(table, key)
        assert key in missing.value.message
        assert missing.value.hint
    with pytest.raises(QueryRefused) as refused:
        await client.lineage("runs", "first")
    assert refused.value.field == "table"
    async with AsyncExitStack() as stack:
        away = await stack.enter_async_context(S3Objects(f"http://127.0.0.1:{free_port()}", "key", "secret"))
        server = await stack.enter_async_context(TestServer(create_app(pipe.gold, objects=away)))
        client = await stack.enter_async_context(GoldClient(str(server.make_url("/"))))
        with pytest.raises(StoreUnavailable):
            await client.lineage("crashes", row["crash_record_id"])


async def test_the_api_answers_in_one_call(pipe: Pipeline, server: TestServer, tmp_path: Path) -> None:
    (row,) = rows(pipe, "from vehicles limit 1")
    settings = nowhere(tmp_path, gold_port=server.port)
    async with serve_web(settings, Outbox()) as url, aiohttp.ClientSession(url) as session:
        async with session.get(f"/api/lineage/vehicles/{row['crash_unit_id']}") as response:
            found = await response.json()
            assert response.status == 200, found
        assert found["gold"]["row"]["crash_unit_id"] == row["crash_unit_id"]
        assert found["bronze"]["request"] == found["fetched"][0]["request"]
        assert found["fetched"][0]["fetched_at"].endswith("Z")
        for path, status, field in (("vehicles/0", 404, "key"), ("runs/first", 422, "table")):
            async with session.get(f"/api/lineage/{path}") as response:
                error = (await response.json())["error"]
                assert (response.status, error["field"], bool(error["hint"])) == (status, field, True), error
