"""How models fare: measured from a real Gold and registry, kept in Gold once, and told over the API."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents import watch as agent
from agents.score import score
from agents.trace import list_measures
from agents.train import train
from agents.watch import SCORES, watch, watch_ever
from models.evaluate import evaluate
from models.registry import Registry
from models.scorer import Scorer
from monitoring.models import observe_models
from streams.records import ModelMeasured, Record, TrainRequest
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.topics import MODEL_MEASURED, Topic
from tests.city_gold import city_changes
from tests.embedded_s3 import shared_objects, shared_store
from tests.integration.webapp.serving import nowhere, serve_gold, serve_web

TRAINED = datetime(2025, 5, 1, tzinfo=UTC)
NOW = datetime(2025, 6, 15, tzinfo=UTC)
FEATURES = ("first_crash_type", "damage", "hour", "posted_speed_limit")
REQUEST = TrainRequest(request_id="mine", at=TRAINED, features=FEATURES, hyperparameters={"n_estimators": 20})
MATURE = NOW - timedelta(days=30)


@pytest.fixture(scope="module")
def months() -> list[Change]:
    """January to May."""
    return city_changes(11, date(2025, 1, 1), date(2025, 6, 1), 6_000)


@dataclass
class City:
    gold: Gold
    client: GoldClient
    port: int
    registry: Registry = field(init=False)
    scorer: Scorer = field(init=False)
    api: aiohttp.ClientSession = field(init=False)
    version: str = ""
    sent: list[ModelMeasured] = field(default_factory=list)

    async def emit(self, topic: Topic, record: Record) -> None:
        if topic is MODEL_MEASURED:
            self.sent.append(ModelMeasured.decode(record.encode()))

    async def train(self) -> None:
        """A model that serves; nothing is scored yet."""
        await train(REQUEST, self.client, self.registry, self.emit, (), "0.1.0")
        self.version = (await self.registry.serving())["injury"]
        await self.scorer.refresh()

    async def score(self) -> None:
        lacking = self.gold.unscored("injury", self.version, 10_000)
        await score(lacking["crash_record_id"], self.gold, self.scorer, self.emit)

    async def watch(self) -> ModelMeasured | None:
        """Measure, and bring it to Gold as the gold process does."""
        measured = await watch(self.version, self.client, self.registry, self.emit, NOW)
        await list_measures(self.sent, self.gold)
        return measured

    async def ask(self, path: str, status: int = 200, **query: str) -> Any:
        async with self.api.get(f"/api/model/{path}", params=query) as response:
            body = await response.read()
            assert response.status == status, body
            return await response.json() if "json" in response.content_type else body.decode()

    async def gauges(self) -> dict[str, dict[str, float]]:
        """What Prometheus is told of the serving model: by metric, without its prefix, and feature."""
        await asyncio.to_thread(observe_models, self.gold, self.scorer.models)
        async with aiohttp.request("GET", f"http://127.0.0.1:{self.port}/metrics") as response:
            families = list(text_string_to_metric_families(await response.text()))
        return {
            family.name.removeprefix("crash_model_"): {
                sample.labels.get("feature", sample.labels["target"]): sample.value for sample in family.samples
            }
            for family in families
            if family.name.startswith("crash_model_")
        }

    def frame(self, sql: str) -> pl.DataFrame:
        frame = pl.from_arrow(self.gold.query(sql, limit=100_000).table)
        assert isinstance(frame, pl.DataFrame)
        return frame


@pytest.fixture
async def city(months: list[Change], tmp_path: Path) -> AsyncIterator[City]:
    store = shared_store()
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(serve_gold(tmp_path / "gold.duckdb"))
        client = await stack.enter_async_context(GoldClient(f"http://127.0.0.1:{served.port}"))
        objects = await stack.enter_async_context(shared_objects())
        city = City(served.gold, client, served.port)
        city.registry = Registry(objects, city.emit)
        city.scorer = Scorer(city.registry)
        settings = nowhere(
            tmp_path,
            gold_port=served.port,
            s3_endpoint_url=store.endpoint_url,
            s3_access_key=store.access_key,
            s3_secret_key=store.secret_key,
        )
        url = await stack.enter_async_context(serve_web(settings, city.emit))
        city.api = await stack.enter_async_context(aiohttp.ClientSession(url))
        served.gold.load(months)
        yield city


async def test_a_feature_that_moved_shows_and_no_other_and_nothing_is_measured_twice(
    city: City, months: list[Change], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = (await city.ask("drift", 404))["error"]
    assert (error["code"], error["field"]) == ("model-missing", "version")
    assert error["hint"]
    await city.train()
    assert (await city.ask("drift"))["rows"] == []

    monkeypatch.setattr(agent, "LOOK_SECONDS", 0.05)
    owned = False
    ever = asyncio.create_task(watch_ever(city.client, city.registry, lambda: owned, city.emit))
    await asyncio.sleep(0.2)
    assert not city.sent, "it is another process's"
    owned = True
    async with asyncio.timeout(30):
        while not city.sent:
            await asyncio.sleep(0.05)
    before = city.sent[0]
    await list_measures([before], city.gold)
    assert before.drift is not None
    assert (before.drift.data_from, before.drift.data_through) == (date(2025, 5, 2), date(2025, 5, 31))
    window = "select count(*) from crashes where crash_date >= '2025-05-02'"
    assert before.drift.rows == city.frame(window).item() > 1_000
    assert {shift.feature: shift.band for shift in before.drift.shifts} == dict.fromkeys((*FEATURES, SCORES), "stable")
    assert await city.watch() is None

    faster = pl.col("crash").struct.with_fields(
        pl.when(pl.int_range(pl.len()) % 2 == 0).then(pl.lit("45")).otherwise(pl.lit("55")).alias("posted_speed_limit")
    )
    city.gold.load([Change("2025-05", 2, months[-1].silver.with_columns(faster))])
    await asyncio.sleep(0.2)
    assert city.sent == [before], "the hour is not over"
    ever.cancel()
    after = await city.watch()
    assert after is not None
    assert after.drift is not None
    moved = {shift.feature: shift.band for shift in after.drift.shifts if shift.feature != SCORES}
    assert moved == {**dict.fromkeys(FEATURES, "stable"), "posted_speed_limit": "drifted"}
    assert await city.watch() is None

    await list_measures(list(reversed(city.sent)), city.gold)
    told = (await city.ask("drift"))["rows"]
    kept = [(row["feature"], row["psi"]) for row in told]
    assert kept == sorted(((shift.feature, shift.psi) for shift in after.drift.shifts), key=lambda row: -row[1])
    assert {(row["model_version"], row["data_through"]) for row in told} == {(city.version, "2025-05-31")}

    await city.scorer.refresh()
    gauges = await city.gauges()
    assert gauges["psi"] == dict(kept), "the last measurement, and not those before"
    assert gauges["drift_rows"] == {"injury": after.drift.rows}
    assert gauges["measured_timestamp_seconds"]["injury"] == pytest.approx(after.at.timestamp())
    assert gauges["serves"] == {"injury": 1}
    assert not gauges["realised_roc_auc"], "no outcome of a scored crash is known"


async def test_quality_is_the_evaluations_of_mature_crashes_that_the_model_had_not_learned(city: City) -> None:
    await city.train()
    nothing = await city.watch()
    assert nothing is not None
    assert not nothing.months, "crashes that await their score are waited for"
    await city.score()
    measured = await city.watch()
    assert measured is not None
    assert measured.drift is None, "it is measured already"
    assert [month.month for month in measured.months] == ["2025-03", "2025-04", "2025-05"]

    learned = (await city.registry.describe(city.version)).data_through
    for month in measured.months[1:]:
        rows = city.frame(
            f"""
            select probability, injury, crash_date from scores join crashes using (crash_record_id)
            where crash_date > '{learned}' and crash_date <= '{MATURE:%Y-%m-%d} 00:00:00'::timestamp - interval 5 hours
                and strftime(crash_date, '%Y-%m') = '{month.month}' and injury is not null
            """
        )
        columns = rows["probability"].to_numpy(), rows["injury"].to_numpy(), 0.5, rows["crash_date"].to_numpy()
        judged = evaluate(*columns, count=20)
        assert (month.rows, month.positives) == (judged.rows, judged.positives)
        for name in ("roc_auc", "brier", "ece"):
            assert getattr(month, name) == pytest.approx(judged.metrics[name].value), name

    newest = measured.months[-1]
    gauges = await city.gauges()
    shown = {
        "rows": newest.rows,
        "roc_auc": newest.roc_auc,
        "brier": newest.brier,
        "calibration_error": newest.ece,
        "predicted": newest.predicted,
        "base_rate": newest.base_rate,
    }
    assert {name: gauges[f"realised_{name}"] for name in shown} == {
        name: {} if value is None else {"injury": value} for name, value in shown.items()
    }

    assert await city.watch() is None
    (changed,) = city.frame(
        "select crash_record_id from crashes where strftime(crash_date, '%Y-%m') = '2025-04' limit 1"
    )
    await score(changed, city.gold, city.scorer, city.emit)
    again = await city.watch()
    assert again is not None
    assert [month.month for month in again.months] == ["2025-04"], "what was scored anew is measured anew, and no more"
    lines = list(csv.DictReader(io.StringIO(await city.ask("quality", format="csv", version=city.version))))
    assert [line["month"] for line in lines] == ["2025-05", "2025-04", "2025-03"]
    assert float(lines[1]["roc_auc"]) == again.months[0].roc_auc
    city.scorer = Scorer(city.registry)
    assert not any((await city.gauges()).values()), "a model that serves no more leaves no figure"
    assert (await city.ask("quality", 404, version="none"))["error"]["field"] == "version"
