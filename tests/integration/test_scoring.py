"""What Gold holds is scored by the models that serve: at once, all of it, and again when it or the model changes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import BaseModel

from agents import score as score_agent
from agents.score import Scoring, score
from models.features import build
from models.model import Model
from models.registry import Origin, Registry
from models.scorer import Scorer
from streams.domain.clean import GoldFrames, gold_frames
from streams.domain.merge import bare
from streams.publisher import Publisher, declare_topics
from streams.records import CrashesScored, Record
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.storage.objects import S3Objects
from streams.topics import CRASHES_SCORED, Topic
from tests.city_gold import city_changes
from tests.embedded_broker import EmbeddedBroker
from tests.embedded_s3 import shared_objects
from tests.trained import trained

SCORES = "select * exclude (crash_key, scored_at) from scores order by crash_record_id, target"


class Nothing(BaseModel):
    pass


@pytest.fixture(scope="module")
def months() -> list[Change]:
    """September to January."""
    return city_changes(1, date(2023, 9, 1), date(2024, 1, 31), 700)


@pytest.fixture(scope="module")
def january(months: list[Change]) -> Change:
    return months[-1]


@pytest.fixture(scope="module")
def frames(months: list[Change]) -> GoldFrames:
    return gold_frames(pl.concat([change.silver for change in months]))


@pytest.fixture(scope="module")
def injury(frames: GoldFrames) -> Model:
    return trained(frames)


@pytest.fixture(scope="module")
def severe(frames: GoldFrames) -> Model:
    return trained(frames, "injury_severe")


@dataclass
class City:
    """Gold, the models that serve, and what is published."""

    gold: Gold
    registry: Registry
    scorer: Scorer
    sent: list[CrashesScored] = field(default_factory=list)

    async def emit(self, topic: Topic, record: Record) -> None:
        if topic is CRASHES_SCORED:
            assert isinstance(record, CrashesScored)
            self.sent.append(record)

    async def promote(self, *models: Model) -> None:
        for model in models:
            await self.registry.save(model, Nothing(), "", Origin(request_id="r", code_version="0"))
            await self.registry.promote(model.version, "me")
        await self.scorer.refresh()

    async def load(self, *changes: Change) -> pl.Series:
        return (await asyncio.to_thread(self.gold.load, changes)).rows.touched

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.gold.query(sql).table.to_pylist()

    def lacking(self, model: Model) -> int:
        return self.gold.unscored(model.target, model.version, 10_000).height

    def computed(self, *models: Model) -> list[dict[str, Any]]:
        """Every score, without contributions, computed anew in one go."""
        found = self.gold.to_score(self.gold.unscored("no target", "no version", 10_000)["crash_record_id"])
        features = build(found.crashes, found.vehicles, found.people)
        parts = [
            model.score(features).with_columns(
                target=pl.lit(model.target), model_version=pl.lit(model.version), tier=pl.lit(model.tier)
            )
            for model in models
        ]
        return pl.concat(parts).sort("crash_record_id", "target").to_dicts()

    def held(self) -> list[dict[str, Any]]:
        return [{k: v for k, v in row.items() if k != "contributions"} for row in self.rows(SCORES)]

    @asynccontextmanager
    async def scoring(self) -> AsyncIterator[Scoring]:
        scoring = Scoring(self.gold, self.scorer, self.emit)
        running = asyncio.create_task(scoring.run())
        yield scoring
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def until_scored(self, *models: Model) -> None:
        async with asyncio.timeout(60):
            while any([await asyncio.to_thread(self.lacking, model) for model in models]):
                await asyncio.sleep(0.02)  # it tells the topic, not us


def same(held: list[dict[str, Any]], computed: list[dict[str, Any]]) -> bool:
    """Equal but for what the order of a sum does to the last bits of a float."""
    return len(held) == len(computed) and all(
        one == other | {"probability": pytest.approx(other["probability"], abs=1e-9)}
        for one, other in zip(held, computed, strict=True)
    )


@pytest.fixture
async def objects() -> AsyncIterator[S3Objects]:
    async with shared_objects() as objects:
        yield objects


@pytest.fixture
async def city(tmp_path: Path, objects: S3Objects) -> AsyncIterator[City]:
    gold = Gold.open(tmp_path / "gold.duckdb", memory="500MB")

    async def nobody(topic: Topic, record: Record) -> None:
        pass

    registry = Registry(objects, nobody)
    yield City(gold, registry, Scorer(registry))
    gold.close()


async def test_a_batch_is_scored_by_every_serving_model_explained_and_announced(
    city: City, injury: Model, severe: Model, months: list[Change]
) -> None:
    await city.promote(injury, severe)
    touched = await city.load(*months)
    assert await score(touched, city.gold, city.scorer, city.emit) == 2 * 700
    assert same(city.held(), city.computed(injury, severe))
    told = {(event.month, event.target, event.model_version): event.crashes for event in city.sent}
    assert told == {
        (change.month, model.target, model.version): change.silver.height
        for change in months
        for model in (injury, severe)
    }
    # The newest crash is of the end of January: 90 days before it is the beginning of November.
    explained = {month for (month,) in _pairs(city, "len(contributions) = 5")}
    assert explained == {"2023-11", "2023-12", "2024-01"}
    assert {month for (month,) in _pairs(city, "contributions is null")} >= {"2023-09", "2023-10"}


def _pairs(city: City, condition: str) -> list[tuple[str]]:
    rows = city.rows(
        "select distinct strftime(crash_date, '%Y-%m') as month from scores join crashes using (crash_record_id) "
        f"where {condition}"
    )
    return [(row["month"],) for row in rows]


async def test_what_changes_is_scored_again_what_goes_loses_its_scores_and_the_rest_is_left_alone(
    city: City, injury: Model, january: Change
) -> None:
    await city.promote(injury)
    await score(await city.load(january), city.gold, city.scorer, city.emit)
    before = {row["crash_record_id"]: row["scored_at"] for row in city.rows("from scores")}
    amended, gone = january.silver[:5], january.silver[5:7]
    amended = amended.with_columns(
        pl.col("crash").struct.with_fields(pl.lit("70").alias("posted_speed_limit"), pl.lit("9").alias("num_units"))
    )
    delta = pl.concat([amended, bare(gone["crash_record_id"])])
    touched = await city.load(Change(january.month, 2, delta))
    assert sorted(touched) == sorted(delta["crash_record_id"])
    await score(touched, city.gold, city.scorer, city.emit)
    after = {row["crash_record_id"]: row["scored_at"] for row in city.rows("from scores")}
    again = {crash_id for crash_id, at in after.items() if at != before[crash_id]}
    assert again == set(amended["crash_record_id"])
    assert set(before) - set(after) == set(gone["crash_record_id"])
    assert same(city.held(), city.computed(injury))


async def test_what_is_loaded_while_the_process_runs_is_scored_within_a_second(
    city: City, injury: Model, months: list[Change]
) -> None:
    await city.promote(injury)
    async with city.scoring() as scoring:
        scoring.changed(await city.load(*months[:-1]))
        await city.until_scored(injury)
        scoring.changed(await city.load(months[-1]))
        await city.until_scored(injury)
        (scored,) = city.rows("select max(scored_at) as at from scores")
        (loaded,) = city.rows("select applied_at as at from applied where month = '2024-01'")
    # Generous on a busy machine; what it must not be is the minute after which Gold is looked through.
    assert scored["at"] - loaded["at"] < timedelta(seconds=20)
    assert same(city.held(), city.computed(injury))


async def test_history_is_scored_when_a_model_comes_to_serve_newest_first_and_new_crashes_before_it(
    city: City, frames: GoldFrames, injury: Model, monkeypatch: pytest.MonkeyPatch, months: list[Change]
) -> None:
    monkeypatch.setattr(score_agent, "SLICE", 60)
    await city.load(*months[:-1])
    async with city.scoring() as scoring:
        await city.promote(injury)
        scoring.look()
        while not city.sent:
            await asyncio.sleep(0.005)
        scoring.changed(await city.load(months[-1]))
        await city.until_scored(injury)
    order = [event.month for event in city.sent]
    last_of_january = max(n for n, month in enumerate(order) if month == "2024-01")
    assert order[0] == "2023-12"
    assert "2023-09" in order[last_of_january:], "January came before the rest of history"
    history = [month for month in order if month != "2024-01"]
    assert history == sorted(history, reverse=True)

    # A better model takes the place of the first; rolled back, the first one's scores come back.
    better = trained(frames, threshold=0.6, trained_at=datetime(2024, 7, 1, tzinfo=UTC))
    async with city.scoring() as scoring:
        await city.promote(better)
        scoring.look()
        await city.until_scored(better)
        assert same(city.held(), city.computed(better))
        await city.registry.roll_back("injury", "me")
        await city.scorer.refresh()
        scoring.look()
        await city.until_scored(injury)
    assert same(city.held(), city.computed(injury))


async def test_more_changes_than_are_remembered_are_found_by_looking(
    city: City, injury: Model, monkeypatch: pytest.MonkeyPatch, months: list[Change]
) -> None:
    monkeypatch.setattr(score_agent, "MOST_REMEMBERED", 100)
    await city.promote(injury)
    async with city.scoring() as scoring:
        scoring.changed(await city.load(*months))
        await city.until_scored(injury)
    assert same(city.held(), city.computed(injury))


async def test_without_a_model_nothing_is_scored_and_nothing_is_remembered(city: City, january: Change) -> None:
    async with city.scoring() as scoring:
        scoring.changed(await city.load(january))
        await asyncio.sleep(0.1)
        assert scoring._changed.is_empty()
        assert city.rows("from scores") == []


async def test_a_promotion_reaches_whoever_listens_at_once(tmp_path: Path, objects: S3Objects, injury: Model) -> None:
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    try:
        await declare_topics(broker.bootstrap)
        async with Publisher(broker.bootstrap) as publisher:
            registry = Registry(objects, publisher.publish)
            scorers = [Scorer(registry), Scorer(registry)]
            changed = [asyncio.Event(), asyncio.Event()]
            listening = [
                asyncio.create_task(scorer.follow(broker.bootstrap, event.set))
                for scorer, event in zip(scorers, changed, strict=True)
            ]
            await registry.save(injury, Nothing(), "", Origin(request_id="r", code_version="0"))
            await registry.promote(injury.version, "me")
            async with asyncio.timeout(30):  # less than the minute after which they look by themselves
                for event in changed:
                    await event.wait()
            assert [scorer.model("injury").version for scorer in scorers] == [injury.version] * 2
            for task in listening:
                task.cancel()
            await asyncio.wait(listening)
    finally:
        broker.stop()
