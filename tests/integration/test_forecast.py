"""From crashes in Gold to a forecast in Gold, and over the API: real store, real DuckDB, real HTTP."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import duckdb
import polars as pl
import pytest

from agents import forecast as agent
from agents.expect import expect
from agents.forecast import forecast_ever, make_forecast
from streams.records import ForecastReady, Record
from streams.storage.forecasts import BUCKET, Forecasts
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import Gold
from streams.storage.objects import S3Objects
from streams.topics import FORECAST_READY, Topic
from tests.daily_counts import THROUGH, daily
from tests.embedded_s3 import shared_objects
from tests.integration.webapp.serving import nowhere, serve_gold, serve_web
from webapp.versioned import LOOK_SECONDS

BEATS = 20


def fill(path: Path, days: int) -> None:
    """A Gold that holds so many days of crashes, each on its own row."""
    Gold.open(path).close()
    each = daily(days, beats=BEATS).select(
        pl.col("day").cast(pl.Datetime).alias("crash_date"),
        pl.col("beat").alias("beat_of_occurrence"),
        pl.int_ranges("crashes").alias("number"),
        "injuries",
    )
    crashes = each.explode("number", empty_as_null=True, keep_nulls=True).with_columns(
        injury=pl.col("number") < pl.col("injuries"),
        date_police_notified=pl.col("crash_date") + pl.duration(hours=9),
        crash_record_id=pl.int_range(pl.len()).cast(pl.String),
    )
    with duckdb.connect(path) as connection:
        connection.register("frame", crashes.drop("number", "injuries"))
        connection.execute("insert into crashes by name select * from frame")


@dataclass
class City:
    gold: Gold
    client: GoldClient
    objects: S3Objects
    forecasts: Forecasts
    api: aiohttp.ClientSession
    sent: list[ForecastReady] = field(default_factory=list)

    async def emit(self, topic: Topic, record: Record) -> None:
        assert topic is FORECAST_READY
        self.sent.append(ForecastReady.decode(record.encode()))

    async def forecast(self, basis: str = "so many days") -> None:
        await make_forecast(basis, self.client, self.forecasts, self.emit)

    async def load(self) -> None:
        await expect(self.sent, self.forecasts, self.gold)

    async def ask(self, path: str = "", status: int = 200, **query: str) -> Any:
        async with self.api.get(f"/api/forecast{path}", params=query) as response:
            body = await response.read()
            assert response.status == status, body
            return await response.json() if "json" in response.content_type else body.decode()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.gold.query(sql).table.to_pylist()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forecast") / "gold.duckdb"
    fill(path, 100)
    return path


@pytest.fixture
async def city(filled: Path, tmp_path: Path) -> AsyncIterator[City]:
    async with (
        serve_gold(filled) as served,
        GoldClient(f"http://127.0.0.1:{served.port}") as client,
        shared_objects() as objects,
        serve_web(nowhere(tmp_path, gold_port=served.port), _silent) as url,
        aiohttp.ClientSession(url) as api,
    ):
        for table in ("forecasts", "forecast_backtests"):
            served.gold._write(lambda cursor, table=table: cursor.execute(f"delete from {table}"))
        yield City(served.gold, client, objects, Forecasts(objects), api)


async def _silent(topic: Topic, record: Record) -> None:
    raise AssertionError("the web app publishes nothing here")


async def test_a_forecast_goes_from_gold_over_the_store_back_to_gold_and_out(city: City) -> None:
    await city.forecast()
    await city.load()

    answer = await city.ask()
    days = [(THROUGH + timedelta(days=n)).isoformat() for n in range(1, 15)]
    assert [row["day"] for row in answer["rows"]] == [day for day in days for _ in range(2)]
    assert {row["measure"] for row in answer["rows"]} == {"crashes", "injuries"}
    for row in answer["rows"]:
        assert row["low_95"] <= row["low_80"] < row["expected"] < row["high_80"] <= row["high_95"]
        assert row["method"] in ("seasonal-naive", "12-month mean")  # 100 days are too few to prove more

    text = await city.ask(beat="105", measure="crashes", format="csv", **{"from": days[2], "to": days[3]})
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [(line["day"], line["beat"], line["measure"]) for line in lines] == [
        (day, "105", "crashes") for day in days[2:4]
    ]
    assert len((await city.ask(beat="all", measure="injuries", to=days[0]))["rows"]) == BEATS

    tests = (await city.ask("/backtests"))["rows"]
    assert sum(row["served"] for row in tests) == 4
    assert all(row["note"] for row in tests if row["method"] == "model")


async def test_bad_questions_are_answered_with_the_field_and_the_remedy(city: City) -> None:
    error = (await city.ask(status=404))["error"]
    assert "no forecast yet" in error["message"]
    assert "backtests" in error["hint"]

    await city.forecast()
    await city.load()
    wrong = [
        (422, {"from": "soon"}, "from"),
        (422, {"from": "2025-12-02", "to": "2025-12-01"}, "to"),
        (422, {"measure": "deaths"}, "measure"),
        (422, {"beat": "downtown"}, "beat"),
        (404, {"beat": "9998"}, "beat"),
        (404, {"from": "2031-01-01"}, "from"),
    ]
    for status, query, name in wrong:
        error = (await city.ask(status=status, **query))["error"]
        assert error["field"].startswith(name), error
        assert error["hint"]
    assert (await city.ask(status=404, **{"from": "2031-01-01"}))["error"]["hint"].endswith("to 2025-12-06")


async def test_the_same_data_give_the_same_objects_and_old_ones_go(city: City) -> None:
    old = pl.DataFrame({"n": [0]})
    for number in range(31):
        await city.forecasts.keep(old.with_columns(n=number), old)
    await city.forecast()
    await city.forecast()
    assert city.sent[0].forecast_id == city.sent[1].forecast_id
    keys = [info.key async for info in city.objects.list(BUCKET, "forecasts/")]
    assert len(keys) == 2 * 30
    assert sum(city.sent[0].forecast_id in key for key in keys) == 2


async def test_an_older_forecast_does_not_replace_a_newer_one(city: City) -> None:
    await city.forecast("newer")
    await city.load()
    before = city.rows("from forecasts order by all")
    late = city.sent[0].model_copy(update={"made_at": datetime(2020, 1, 1, tzinfo=UTC), "basis": "older"})
    await expect([late], city.forecasts, city.gold)
    assert city.rows("from forecasts order by all") == before
    assert city.rows("select distinct basis from forecast_backtests") == [{"basis": "newer"}]


async def test_it_is_made_anew_when_there_are_other_days_and_only_then(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "LOOK_SECONDS", 0.05)
    asked = asyncio.Event()

    async def emit(topic: Topic, record: Record) -> None:
        await city.emit(topic, record)
        await city.load()
        asked.set()

    owned = False
    ever = asyncio.create_task(forecast_ever(city.client, city.forecasts, lambda: owned, emit))
    try:
        await asyncio.sleep(0.3)
        assert not city.sent  # another process's
        owned = True
        await asyncio.wait_for(asked.wait(), 30)
        await asyncio.sleep(0.5)
        assert [one.basis for one in city.sent] == [f"100 days to {THROUGH}"]

        asked.clear()
        tomorrow = THROUGH + timedelta(days=1)
        sql = f"insert into crashes (crash_record_id, crash_date) values ('new', timestamp '{tomorrow} 00:05')"
        city.gold._write(lambda cursor: cursor.execute(sql))
        await asyncio.wait_for(asked.wait(), 30)
        assert city.sent[-1].basis == f"101 days to {tomorrow}"
        # A crash is no day yet: what is forecast begins with the day that it is of.
        assert city.rows('select min("day") as first from forecasts') == [{"first": tomorrow}]
    finally:
        ever.cancel()
        city.gold._write(lambda cursor: cursor.execute("delete from crashes where crash_record_id = 'new'"))


async def test_the_past_and_the_beats_stand_beside_a_forecast(city: City) -> None:
    assert (await city.ask("/beats"))["rows"] == []
    await city.forecast()
    await city.load()
    past = (await city.ask("/past", measure="crashes", days="20"))["rows"]
    assert [row["day"] for row in past] == [(THROUGH - timedelta(days=n)).isoformat() for n in reversed(range(20))]
    (tested,) = {
        row["complete_through"] for row in (await city.ask("/backtests"))["rows"] if row["measure"] == "crashes"
    }
    assert [row["complete"] for row in past] == [row["day"] <= tested for row in past]
    assert not all(row["complete"] for row in past)
    assert any(row["complete"] for row in past)
    counted = city.rows(
        "select count(*) as n from crashes where crash_date::date = (select max(crash_date)::date from crashes)"
    )
    assert past[-1]["count"] == counted[0]["n"]
    await asyncio.sleep(LOOK_SECONDS)  # for so long the answer from before the forecast is given out
    beats = (await city.ask("/beats"))["rows"]
    assert len(beats) == BEATS
    one = beats[0]["beat"]
    ahead = (await city.ask(beat=str(one), measure="crashes"))["rows"]
    assert beats[0]["crashes"] == pytest.approx(sum(row["expected"] for row in ahead))
    of_beats = [(await city.ask("/past", beat=str(row["beat"]), measure="crashes", days="5"))["rows"] for row in beats]
    assert [sum(day) for day in zip(*([row["count"] for row in rows] for rows in of_beats), strict=True)] == [
        row["count"] for row in past[-5:]
    ]
    assert (await city.ask("/past", 422, days="0"))["error"]["field"] == "days"
