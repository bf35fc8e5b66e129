"""Gold over HTTP: what the client gets is what the database holds, and failures keep their type."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pyarrow as pa
import pytest
from aiohttp.test_utils import TestServer, unused_port

from streams.errors import GoldBusy, GoldUnavailable, QueryLimit, QueryRefused
from streams.storage.gold import server as gold_server
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import Gold
from streams.storage.gold.server import create_app
from tests.gold_rows import change, crash, located, person, vehicle


@pytest.fixture
def gold(tmp_path: Path) -> Iterator[Gold]:
    gold = Gold.open(tmp_path / "gold.duckdb", memory="500MB")
    gold.load(
        [
            change(
                "2024-01",
                1,
                [crash("a", lane_cnt="99", **located("41.8", "-87.6")), crash("b"), crash("c")],
                [vehicle(1, "a")],
                [person("P1", "a", age="30")],
            )
        ]
    )
    yield gold
    gold.close()


@pytest.fixture
async def server(gold: Gold) -> AsyncIterator[TestServer]:
    async with TestServer(create_app(gold)) as server:
        yield server


@pytest.fixture
async def client(server: TestServer) -> AsyncIterator[GoldClient]:
    async with GoldClient(str(server.make_url("/"))) as client:
        yield client


async def test_rows_arrive_as_they_are(gold: Gold, client: GoldClient) -> None:
    sql = "from crashes order by crash_record_id"
    answer = await client.query(sql)
    assert answer.table.equals(gold.query(sql).table)
    assert answer.table["location"].to_pylist()[0] == {"type": "Point", "coordinates": [-87.6, 41.8]}
    assert answer.table["quality_flags"].to_pylist()[0] == ["lane_cnt:impossible"]
    assert not answer.truncated


async def test_an_answer_without_rows_has_its_columns(client: GoldClient) -> None:
    answer = await client.query("select crash_record_id, hour from crashes where hour > 24")
    assert (answer.table.num_rows, answer.table.column_names) == (0, ["crash_record_id", "hour"])


async def test_limit_and_parameters(client: GoldClient) -> None:
    answer = await client.query("from crashes where hour = $hour", limit=2, parameters={"hour": 8})
    assert (answer.table.num_rows, answer.truncated) == (2, True)


async def test_status(gold: Gold, client: GoldClient) -> None:
    status = await client.status()
    assert status["rows"]["crashes"] == 3
    assert (status["data_through"], status["version"], status["months"]) == ("2024-01-05T08:30:00", 1, 1)
    gold.load([change("2024-02", 1, [crash("d", crash_date="2024-02-03T04:05:06.000")])])
    assert (await client.status())["version"] == 2


async def test_refusals_keep_their_type_and_hint(client: GoldClient) -> None:
    with pytest.raises(QueryRefused) as refused:
        await client.query("delete from crashes")
    assert refused.value.field == "sql"
    assert refused.value.hint
    with pytest.raises(QueryRefused) as refused:
        await client.query("select 1", limit=0)
    assert refused.value.field == "limit"
    with pytest.raises(QueryLimit) as limit:
        await client.query("select list(range) from range(1000000000)")
    assert limit.value.field == "memory"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"no json", 400, None),
        (b"[]", 400, None),
        (b"{}", 400, "sql"),
        (b'{"sql": ""}', 400, "sql"),
        (b'{"sql": 1}', 400, "sql"),
        (b'{"sql": "select 1", "limit": "all"}', 400, "limit"),
        (b'{"sql": "select 1", "limit": 1000000000}', 400, "limit"),
        (b'{"sql": "select 1", "lim": 5}', 400, "lim"),
        (b'{"sql": "select $x", "parameters": {"x": []}}', 400, "parameters"),
        (b'{"sql": "drop table crashes"}', 400, "sql"),
    ],
)
async def test_a_bad_question_is_explained(server: TestServer, body: bytes, status: int, field: str | None) -> None:
    async with aiohttp.ClientSession() as session, session.post(server.make_url("/query"), data=body) as response:
        told = json.loads(await response.read())
        assert response.status == status
        assert told["code"] == "QueryRefused"
        assert told["message"]
        assert told["hint"]
        assert told["field"] == field


async def test_the_wire_is_arrow(server: TestServer) -> None:
    question = {"sql": "select count(*) as n from crashes"}
    async with aiohttp.ClientSession() as session, session.post(server.make_url("/query"), json=question) as response:
        assert response.content_type == "application/vnd.apache.arrow.stream"
        assert response.headers["X-Truncated"] == "false"
        assert pa.ipc.open_stream(await response.read()).read_all().to_pylist() == [{"n": 3}]


async def test_health(server: TestServer) -> None:
    async with aiohttp.ClientSession() as session, session.get(server.make_url("/healthz")) as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})


async def test_many_ask_at_once_while_gold_is_written(gold: Gold, client: GoldClient) -> None:
    async def ask() -> int:
        answer = await client.query("select count(*) as n, max(hour) as hour from crashes")
        return int(answer.table["n"][0].as_py())

    def write() -> None:
        for version in range(2, 12):
            gold.load([change("2024-01", version, [crash(f"new-{version}")])])

    *counts, _ = await asyncio.gather(*(ask() for _ in range(40)), asyncio.to_thread(write))
    assert set(counts) <= set(range(3, 14))
    assert await ask() == 13


async def test_a_crowd_is_told_to_come_again(server: TestServer, client: GoldClient, monkeypatch) -> None:
    monkeypatch.setattr(gold_server, "_WAITING", -gold_server._THREADS["service"])
    with pytest.raises(GoldBusy, match="ask again"):
        await client.query("select 1")


async def test_nobody_there() -> None:
    async with GoldClient(f"http://127.0.0.1:{unused_port()}") as client:
        with pytest.raises(GoldUnavailable, match="crash-stream gold"):
            await client.query("select 1")


async def test_somebody_else_there() -> None:
    async def shout(_: aiohttp.web.Request) -> aiohttp.web.Response:
        return aiohttp.web.Response(text="hello")

    app = aiohttp.web.Application()
    app.router.add_post("/query", shout)
    async with TestServer(app) as server, GoldClient(str(server.make_url("/"))) as client:
        with pytest.raises(GoldUnavailable, match="does not answer as Gold"):
            await client.query("select 1")
        with pytest.raises(GoldUnavailable, match="404"):
            await client.status()
