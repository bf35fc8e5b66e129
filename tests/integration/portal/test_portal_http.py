"""The portal over HTTP: envelopes, headers, conditional and compressed answers, and real rows."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from streams.local.portal import Tables, create_app
from streams.local.portal.datasets import DATASETS, Type
from streams.local.portal.source import GivenRows

CRASHES = "/resource/85ca-t3if.json"
PEOPLE = "/resource/u6pd-qa9d.json"
ROWS = [
    {"person_id": f"O{n}", "crash_record_id": "c" * 128, "age": str(n), "crash_date": "2024-01-05T10:00:00.000"}
    for n in range(1500)
]


@pytest.fixture
def tables() -> Any:
    tables = Tables()
    tables.upsert("people", ROWS)
    yield tables
    tables.close()


@pytest.fixture
async def portal(tables: Tables) -> AsyncIterator[ClientSession]:
    async with (
        TestServer(create_app(tables, app_token="right")) as server,
        ClientSession(server.make_url("/"), auto_decompress=False) as session,
    ):
        yield session


async def get(portal: ClientSession, path: str, **clauses: str) -> tuple[int, Any]:
    async with portal.get(path, params={f"${name}": text for name, text in clauses.items()}) as answer:
        body = await answer.read()
        return answer.status, json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)


async def test_a_thousand_rows_come_where_no_limit_is_given(portal: ClientSession) -> None:
    assert len((await get(portal, PEOPLE))[1]) == 1000
    assert len((await get(portal, PEOPLE, limit="50000"))[1]) == 1500
    assert await get(portal, PEOPLE, select="count(*)") == (200, [{"count": "1500"}])


async def test_query_errors_come_in_the_coordinators_envelope(portal: ClientSession) -> None:
    status, body = await get(portal, PEOPLE, where="nonsense = 1")
    assert status == 400
    assert list(body) == ["message", "errorCode", "data"]
    assert body["message"].startswith("Query coordinator error: query.soql.no-such-column; No such column: nonsense")
    assert body["errorCode"] == "query.soql.no-such-column"
    assert body["data"]["column"] == "nonsense"
    status, body = await get(portal, PEOPLE, where="age > 'old'")
    assert (status, body["errorCode"]) == (400, "query.soql.type-mismatch")


async def test_other_errors_come_in_the_front_ends_envelope(portal: ClientSession) -> None:
    status, body = await get(portal, PEOPLE, where="age >")
    assert (status, body["code"], body["error"]) == (400, "query.compiler.malformed", True)
    assert body["data"] == {"query": "age >"}
    assert (await get(portal, PEOPLE, nonsense="1"))[1]["message"] == "Unrecognized arguments [$nonsense]"
    assert await get(portal, "/resource/none-such.json") == (
        404,
        {"code": "dataset.missing", "error": True, "message": "Not found", "data": {"id": "none-such"}},
    )
    assert (await get(portal, "/api/views/none-such.json"))[0] == 404
    assert (await get(portal, "/elsewhere"))[0] == 404


async def test_a_failure_inside_is_a_500(portal: ClientSession, tables: Tables) -> None:
    tables.cursor().execute("DROP TABLE vehicles")
    expected = {"error": True, "message": "Internal error", "status": 500}
    assert await get(portal, "/resource/68nd-jvt3.json") == (500, expected)


@pytest.mark.parametrize(("length", "status"), [(7000, 200), (9000, 414), (100_000, 414)])
async def test_a_url_may_be_eight_kilobytes(portal: ClientSession, length: int, status: int) -> None:
    async with portal.get(PEOPLE, params={"$where": f"person_id='{'x' * length}'"}) as answer:
        assert answer.status == status


async def test_a_wrong_token_is_worse_than_none(portal: ClientSession) -> None:
    for token, status in ((None, 200), ("right", 200), ("wrong", 403)):
        headers = {"X-App-Token": token} if token else {}
        async with portal.get(PEOPLE, params={"$limit": "1"}, headers=headers) as answer:
            assert answer.status == status
            if status == 403:
                body = await answer.json()
                assert (body["code"], body["message"]) == ("permission_denied", "Invalid app_token specified")


async def test_without_a_token_of_its_own_the_portal_takes_any(tables: Tables) -> None:
    async with (
        TestServer(create_app(tables)) as server,
        ClientSession(server.make_url("/")) as session,
        session.get(PEOPLE, headers={"X-App-Token": "any"}) as answer,
    ):
        assert answer.status == 200


async def test_it_is_zipped_where_asked_for(portal: ClientSession) -> None:
    bodies = {}
    for encoding in ("gzip, deflate", "identity"):
        params = {"$order": "person_id"}
        async with portal.get(PEOPLE, params=params, headers={"Accept-Encoding": encoding}) as answer:
            assert answer.headers.get("Content-Encoding") == ("gzip" if "gzip" in encoding else None)
            assert answer.content_type == "application/json"
            bodies[encoding] = await answer.read()
    assert gzip.decompress(bodies["gzip, deflate"]) == bodies["identity"]
    assert len(bodies["gzip, deflate"]) < len(bodies["identity"]) / 5


async def test_an_unchanged_answer_is_not_sent_again(portal: ClientSession, tables: Tables) -> None:
    async def conditional(tag: str, limit: str = "1") -> tuple[int, bytes, str]:
        async with portal.get(PEOPLE, params={"$limit": limit}, headers={"If-None-Match": tag}) as answer:
            return answer.status, await answer.read(), answer.headers["ETag"]

    status, _, tag = await conditional('"other"')
    assert status == 200
    assert await conditional(tag) == (304, b"", tag)
    assert (await conditional(tag, limit="2"))[0] == 200
    tables.upsert("people", [{"person_id": "O1", "age": "41"}])
    status, _, newer = await conditional(tag)
    assert status == 200
    assert newer != tag
    tables.delete("people", ["O1"])
    assert (await conditional(newer))[0] == 200


async def test_headers_tell_fields_types_and_times(portal: ClientSession, tables: Tables) -> None:
    params = {"$select": ":id,:updated_at,age,crash_date,count(*) as n", "$group": ":id,:updated_at,age,crash_date"}
    async with portal.get(PEOPLE, params=params) as answer:
        assert json.loads(answer.headers["X-SODA2-Fields"]) == [":id", ":updated_at", "age", "crash_date", "n"]
        types = ["row_identifier", "fixed_timestamp", "number", "floating_timestamp", "number"]
        assert json.loads(answer.headers["X-SODA2-Types"]) == types
        assert answer.headers["Last-Modified"] == answer.headers["X-SODA2-Truth-Last-Modified"]
        assert answer.headers["Last-Modified"].endswith("GMT")


async def test_every_answer_is_dated_by_the_portals_clock(portal: ClientSession, tables: Tables) -> None:
    async def dates(*paths: str) -> list[datetime]:
        found = []
        for path in paths:
            async with portal.get(path) as answer:
                found.append(parsedate_to_datetime(answer.headers["Date"]))
        return found

    paths = (PEOPLE, "/api/views/u6pd-qa9d.json", "/elsewhere", f"{PEOPLE}?$where=nonsense")
    assert all(abs(date - datetime.now(UTC)) < timedelta(seconds=30) for date in await dates(*paths))
    now = datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)
    tables.clock = lambda: now
    assert await dates(*paths) == [now] * 4
    tables.upsert("people", [{"person_id": "O1"}])
    _, rows = await get(portal, PEOPLE, select=":updated_at", where="person_id = 'O1'")
    assert datetime.fromisoformat(rows[0][":updated_at"]) == now


async def test_drift_is_seen_in_the_view_and_in_the_rows(portal: ClientSession, tables: Tables) -> None:
    async def state() -> tuple[dict[str, str], dict[str, Any], str]:
        _, view = await get(portal, "/api/views/u6pd-qa9d.json")
        kinds = {column["fieldName"]: column["dataTypeName"] for column in view["columns"]}
        async with portal.get(PEOPLE, params={"$where": "person_id = 'O7'"}) as answer:
            (row,) = json.loads(gzip.decompress(await answer.read()))
            return kinds, row, answer.headers["ETag"]

    kinds, row, tag = await state()
    tables.add_column("people", "helmet", Type.BOOLEAN)
    tables.drop_column("people", "crash_date")
    tables.retype("people", "age", Type.TEXT)
    tables.upsert("people", [{"person_id": "O7", "helmet": "Y", "age": "seven"}])
    new_kinds, new_row, new_tag = await state()
    del kinds["crash_date"], row["crash_date"]
    assert new_kinds == kinds | {"helmet": "checkbox", "age": "text"}
    assert new_row == row | {"helmet": True, "age": "seven"}
    assert new_tag != tag


async def test_a_view_describes_its_columns(portal: ClientSession, tables: Tables) -> None:
    for dataset, columns in (("85ca-t3if", 48), ("68nd-jvt3", 71), ("u6pd-qa9d", 29)):
        status, view = await get(portal, f"/api/views/{dataset}.json")
        assert (status, view["id"], len(view["columns"])) == (200, dataset, columns)
        assert [column["position"] for column in view["columns"]] == list(range(1, columns + 1))
    updated = tables.publication("people").updated_at
    assert view["rowsUpdatedAt"] == int(updated.timestamp())
    by_name = {column["fieldName"]: column for column in view["columns"]}
    assert by_name["bac_result_value"]["name"] == "BAC_RESULT VALUE"
    assert by_name["age"]["dataTypeName"] == "number"
    assert by_name["crash_date"]["dataTypeName"] == "calendar_date"
    assert "Date and time" in by_name["crash_date"]["description"]
    assert "description" not in by_name["age"]  # as where nobody has written one


async def test_several_pages_are_answered_at_once(portal: ClientSession) -> None:
    wheres = [f"age >= {n} and age < {n + 100}" for n in range(0, 1500, 100)]
    answers = await asyncio.gather(*(get(portal, PEOPLE, where=where, order=":id") for where in wheres))
    assert sorted((row["person_id"] for _, rows in answers for row in rows)) == sorted(r["person_id"] for r in ROWS)


async def test_real_rows_come_back_value_for_value(real_portal: Path) -> None:
    tables = Tables()
    GivenRows(real_portal).fill(tables)
    try:
        async with TestServer(create_app(tables)) as server, ClientSession(server.make_url("/")) as session:
            for name, dataset in DATASETS.items():
                given = json.loads((real_portal / f"{name}.json").read_bytes())
                async with session.get(f"/resource/{dataset.id}.json", params={"$limit": "50000"}) as answer:
                    served = json.loads(await answer.read())
                key = dataset.key
                assert sorted(served, key=lambda row: row[key]) == sorted(given, key=lambda row: row[key])
                assert all(kind in json.loads(answer.headers["X-SODA2-Fields"]) for kind in given[0])
                # Nothing real is unannounced: the columns are those that the portal documents.
                assert set(tables.columns(name)) == {*dataset.columns, ":id", ":created_at", ":updated_at", ":version"}
    finally:
        tables.close()
