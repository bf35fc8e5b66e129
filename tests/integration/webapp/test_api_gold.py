"""Reading Gold over the API: the right rows in the right form, and errors that name the field."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pyarrow as pa
import pytest
import pytest_asyncio

from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUMS = "SELECT count(*) AS crashes, sum(injuries_total) AS injured FROM crashes"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[aiohttp.ClientSession]:
    """One app for all tests here: they only read."""
    async with (
        serve_gold(sample) as served,
        serve_web(nowhere(tmp_path_factory.mktemp("api"), gold_port=served.port), Outbox()) as url,
        aiohttp.ClientSession(url) as session,
    ):
        yield session


async def ask(api: aiohttp.ClientSession, path: str, status: int = 200, **parameters: str) -> dict:
    async with api.get(path, params=parameters) as response:
        body = await response.json()
        assert response.status == status, body
        return body


async def query(api: aiohttp.ClientSession, sql: str, **parameters: str) -> list[dict]:
    return (await ask(api, "/api/gold/query", sql=sql, **parameters))["rows"]


async def refused(api: aiohttp.ClientSession, path: str, status: int, **parameters: str) -> dict:
    """The error of an answer, having checked the envelope around it."""
    async with api.get(path, params=parameters, headers={"X-Request-ID": "test-17"}) as response:
        body = await response.json()
        assert response.status == status, body
        assert set(body) == {"error", "request_id"}
        assert set(body["error"]) == {"code", "message", "field", "hint"}
        assert body["request_id"] == response.headers["X-Request-ID"] == "test-17"
        return body["error"]


async def test_status_counts_rows_and_says_how_far_they_go(api: aiohttp.ClientSession) -> None:
    status = await ask(api, "/api/gold/status")
    (sums,) = await query(api, SUMS)
    assert status["rows"]["crashes"] == sums["crashes"] > 10_000
    assert status["data_through"] == "2025-11-22T23:40:00"
    assert status["file_bytes"] > 0


async def test_peek_shows_the_newest_rows(api: aiohttp.ClientSession) -> None:
    rows = (await ask(api, "/api/gold/peek", limit="5"))["rows"]
    newest = await query(api, "SELECT crash_date FROM crashes ORDER BY crash_date DESC LIMIT 5")
    assert [row["crash_date"] for row in rows] == [row["crash_date"] for row in newest]


@pytest.mark.parametrize("table", ["crashes", "vehicles", "people", "runs", "dead_letters"])
async def test_every_table_can_be_peeked_at_in_every_form(api: aiohttp.ClientSession, table: str) -> None:
    rows = (await ask(api, "/api/gold/peek", table=table, limit="3"))["rows"]
    async with api.get("/api/gold/peek", params={"table": table, "limit": "3", "format": "csv"}) as response:
        lines = list(csv.reader(io.StringIO(await response.text())))
    async with api.get("/api/gold/peek", params={"table": table, "limit": "3", "format": "arrow"}) as response:
        arrow = pa.ipc.open_stream(await response.read()).read_all()
    assert lines[0] == arrow.column_names == list(rows[0])
    assert len(rows) == len(lines) - 1 == arrow.num_rows > 0


async def test_numbers_stay_numbers(api: aiohttp.ClientSession) -> None:
    (row,) = await query(
        api, "SELECT sum(i) AS big, 1.5::DECIMAL(4, 1) AS part, 'nan'::DOUBLE AS none FROM range(9) t(i)"
    )
    assert row == {"big": 36, "part": 1.5, "none": None}


async def test_a_name_that_occurs_twice_is_kept_twice(api: aiohttp.ClientSession) -> None:
    assert await query(api, "SELECT 1 AS a, 2 AS a") == [{"a": 1, "a_2": 2}]


async def test_csv_carries_lists_as_json(api: aiohttp.ClientSession) -> None:
    sql = "SELECT ['a', 'b,c'] AS flags, NULL::VARCHAR[] AS none, 'x' AS text"
    async with api.get("/api/gold/query", params={"sql": sql}, headers={"Accept": "text/csv"}) as response:
        assert response.content_type == "text/csv"
        header, row = list(csv.reader(io.StringIO(await response.text())))
    assert header == ["flags", "none", "text"]
    assert (json.loads(row[0]), row[1], row[2]) == (["a", "b,c"], "", "x")


async def test_arrow_by_accept_keeps_the_types(api: aiohttp.ClientSession) -> None:
    wanted = {"Accept": "application/vnd.apache.arrow.stream"}
    async with api.get("/api/gold/query", params={"sql": SUMS}, headers=wanted) as response:
        table = pa.ipc.open_stream(await response.read()).read_all()
    assert pa.types.is_int64(table.schema.field("crashes").type)


async def test_a_cut_answer_says_that_it_is_cut(api: aiohttp.ClientSession) -> None:
    cut = await ask(api, "/api/gold/query", sql="FROM range(10)", limit="4")
    whole = await ask(api, "/api/gold/query", sql="FROM range(10)", limit="10")
    assert (len(cut["rows"]), cut["truncated"]) == (4, True)
    assert (len(whole["rows"]), whole["truncated"]) == (10, False)


@pytest.mark.parametrize(
    ("parameters", "field", "code", "status"),
    [
        ({"sql": "DROP TABLE crashes"}, "sql", "query-refused", 400),
        ({"sql": "SELECT 1; SELECT 2"}, "sql", "query-refused", 400),
        ({"sql": "SELECT * FROM read_csv('/etc/passwd')"}, "sql", "query-refused", 400),
        ({"sql": "SELECT no_such_column FROM crashes"}, "sql", "query-refused", 400),
        ({"sql": ""}, "sql", "invalid-request", 422),
        ({}, "sql", "invalid-request", 422),
        ({"sql": "SELECT 1", "limit": "0"}, "limit", "invalid-request", 422),
        ({"sql": "SELECT 1", "limit": "lots"}, "limit", "invalid-request", 422),
        ({"sql": "SELECT 1", "format": "xml"}, "format", "invalid-request", 422),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_field(
    api: aiohttp.ClientSession, parameters: dict[str, str], field: str, code: str, status: int
) -> None:
    error = await refused(api, "/api/gold/query", status, **parameters)
    assert (error["field"], error["code"]) == (field, code)
    assert error["hint"]


async def test_an_unknown_table_is_refused_with_those_there_are(api: aiohttp.ClientSession) -> None:
    error = await refused(api, "/api/gold/peek", 422, table="crashez")
    assert error["field"] == "table"
    assert "'vehicles'" in error["message"]


async def test_an_unknown_route_is_a_404_and_no_page(api: aiohttp.ClientSession) -> None:
    assert (await refused(api, "/api/gold/statistics", 404))["code"] == "not-found"


async def test_runs_come_newest_first_with_those_under_way_on_top(api: aiohttp.ClientSession) -> None:
    runs = (await ask(api, "/api/runs"))["runs"]
    assert [run["status"] for run in runs] == ["running", "complete", "failed"]
    assert len((await ask(api, "/api/runs", limit="1"))["runs"]) == 1


async def test_a_run_has_its_pages_and_merges(api: aiohttp.ClientSession) -> None:
    answer = await ask(api, "/api/runs/first-start-20251122")
    assert answer["run"]["status"] == "complete"
    assert answer["run"]["pages_fetched"] == len(answer["pages"]) == 3
    assert answer["run"]["merges_done"] == len(answer["merges"]) == 3


async def test_an_unknown_run_is_a_404_that_names_it(api: aiohttp.ClientSession) -> None:
    error = await refused(api, "/api/runs/no/such-run", 404)
    assert error["field"] == "run_id"
    assert "no/such-run" in error["message"]
