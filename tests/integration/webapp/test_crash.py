"""One crash over the API: all that belongs to it, why it was scored so, and what each version changed of it."""

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import duckdb
import pytest

from streams.domain.compare import changed_crashes
from streams.domain.merge import empty_month
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.storage.objects import S3Objects
from streams.storage.silver import BUCKET, Head, Silver
from tests.embedded_s3 import shared_objects, shared_store
from tests.gold_rows import crash, located, person, silver, vehicle
from tests.integration.webapp.places import write_places
from tests.integration.webapp.serving import Outbox, nowhere, serve_gold, serve_web
from tests.integration.webapp.trained import City, serve_city

MONTH = "2024-01"
PLACE = located("41.8812", "-87.6278")
# The month after each page: crash a comes, then crash b alone, then a's vehicle, then a is amended and has a person.
VERSIONS = [
    silver([crash("a", weather_condition="RAIN", **PLACE)]),
    silver([crash("a", weather_condition="RAIN", **PLACE), crash("b")]),
    silver([crash("a", weather_condition="RAIN", **PLACE), crash("b")], [vehicle(7, "a", make="FORD")]),
    silver(
        [crash("a", weather_condition="SNOW", injuries_total="1", **PLACE), crash("b")],
        [vehicle(7, "a", make="FORD")],
        [person("O7", "a", person_type="DRIVER", age="30")],
    ),
]


@pytest.fixture
async def objects() -> AsyncIterator[S3Objects]:
    async with shared_objects() as opened:
        store = Silver(opened)
        head, before = Head(MONTH), empty_month()
        for number, month in enumerate(VERSIONS):
            head = await store.append(head, f"page-{number}", month, changed_crashes(before, month))
            before = month
        yield opened


@pytest.fixture
async def api(objects: S3Objects, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """The app over a Gold that holds the newest version."""
    path, store = tmp_path / "gold.duckdb", shared_store()
    gold = Gold.open(path)
    gold.load([Change(MONTH, len(VERSIONS), VERSIONS[-1])])
    gold.close()
    async with serve_gold(path) as served:
        settings = nowhere(
            tmp_path,
            gold_port=served.port,
            s3_endpoint_url=store.endpoint_url,
            s3_access_key=store.access_key,
            s3_secret_key=store.secret_key,
        )
        async with serve_web(settings, Outbox()) as url, aiohttp.ClientSession(url) as session:
            yield session


async def ask(api: aiohttp.ClientSession, path: str, status: int = 200, **query: str) -> dict:
    async with api.get(path, params=query) as response:
        body = await response.json()
        assert response.status == status, body
        return body


async def test_the_history_tells_what_each_version_changed_of_the_crash(
    api: aiohttp.ClientSession, objects: S3Objects
) -> None:
    told = await ask(api, "/api/crashes/a/history")
    assert (told["month"], told["versions"], told["complete"]) == (MONTH, 4, True)
    newest, second, first = told["amendments"]
    assert [each["page"] for each in told["amendments"]] == ["page-3", "page-2", "page-0"]
    assert [(change["dataset"], change["key"], change["kind"]) for change in newest["changes"]] == [
        ("crashes", "a", "changed"),
        ("people", "O7", "added"),
    ]
    assert newest["changes"][0]["cells"] == [
        {"column": "injuries_total", "before": None, "after": "1"},
        {"column": "weather_condition", "before": "RAIN", "after": "SNOW"},
    ]
    assert [(change["dataset"], change["key"], change["kind"]) for change in second["changes"]] == [
        ("vehicles", "7", "added")
    ]
    assert [change["kind"] for change in first["changes"]] == ["added"]

    # A bounded look compares with the version before; once that has expired, there is nothing to compare with.
    last = await ask(api, "/api/crashes/a/history", versions="1")
    assert (last["versions"], last["complete"]) == (1, False)
    assert last["amendments"] == [newest]
    await objects.delete(BUCKET, [Head(MONTH, 3).key])
    expired = await ask(api, "/api/crashes/a/history")
    assert (expired["versions"], expired["complete"]) == (1, False)
    assert expired["amendments"] == [{**newest, "changes": []}]
    assert (await ask(api, "/api/crashes/b/history"))["amendments"] == []


async def test_a_crash_comes_with_its_vehicles_and_people(api: aiohttp.ClientSession) -> None:
    found = await ask(api, "/api/crashes/a")
    assert found["month"] == MONTH
    assert (found["crash"]["weather_condition"], found["crash"]["injury"]) == ("SNOW", True)
    assert found["crash"]["crash_date"] == "2024-01-05T08:30:00"
    assert [(each["crash_unit_id"], each["make"]) for each in found["vehicles"]] == [(7, "FORD")]
    assert [(each["person_id"], each["age"]) for each in found["people"]] == [("O7", 30)]
    assert found["scores"] == []
    other = await ask(api, "/api/crashes/b")
    assert (other["vehicles"], other["people"]) == ([], [])
    async with api.get("/api/crashes/a.csv") as response:
        (row,) = csv.DictReader(io.StringIO(await response.text()))
    assert json.loads(row["vehicles"])[0]["make"] == "FORD"


async def test_a_crash_that_is_not_there_is_not_found(api: aiohttp.ClientSession) -> None:
    for path in ("/api/crashes/zzz", "/api/crashes/zzz/history"):
        error = (await ask(api, path, 404))["error"]
        assert (error["code"], error["field"]) == ("row-missing", "crash_record_id")
    assert (await ask(api, "/api/crashes/a/history", 422, versions="0"))["error"]["field"] == "versions"


async def test_while_a_model_cannot_be_read_the_kept_reasons_are_told(tmp_path: Path) -> None:
    path = tmp_path / "gold.duckdb"
    write_places(path, crashes=100)
    async with (
        serve_gold(path) as served,
        serve_web(nowhere(tmp_path, gold_port=served.port), Outbox()) as url,
        aiohttp.ClientSession(url) as session,
    ):
        (scored,) = (await ask(session, "/api/map/crashes", limit="1", offset="50"))["rows"]
        found = await ask(session, f"/api/crashes/{scored['crash_record_id']}")
        injury, severe = found["scores"]
        assert (injury["target"], severe["target"]) == ("injury", "injury_severe")
        assert injury["probability"] == scored["risk"]
        assert injury["threshold"] is None
        assert injury["contributions"] == [{"feature": "persons", "contribution": -0.5, "value": None}]
        assert (await ask(session, f"/api/crashes/{scored['crash_record_id']}/history", 503))["error"]["hint"]


async def test_a_score_is_explained_by_the_model_that_gave_it(city: City, tmp_path: Path) -> None:
    path = tmp_path / "gold.duckdb"
    path.write_bytes(city.gold.read_bytes())
    with duckdb.connect(path) as connection:
        connection.execute(
            """
            insert into scores by name select crash_record_id, crash_key, 'injury' as target, $version as model_version,
                0.5 as probability, true as label, 'report' as tier, now()::timestamp as scored_at
            from crashes order by crash_record_id limit 1
            """,
            {"version": city.report.version},
        )
        ((crash_id,),) = connection.execute("select crash_record_id from scores").fetchall()
    async with serve_city(City(path, city.objects, city.report, city.scene), tmp_path, trained=True) as served:
        (score,) = (await ask(served.api, f"/api/crashes/{crash_id}"))["scores"]
        body = {"crash_record_ids": [crash_id]}
        said = await served.ask("POST", f"predict-from-gold?version={city.report.version}&explain=12", 200, body)
    assert score["contributions"] == said["rows"][0]["contributions"]
    assert len(score["contributions"]) == 12
    assert score["threshold"] == said["model"]["threshold"]
