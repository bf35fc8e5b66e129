"""Trainings over a real Gold, store and broker: each ends once, whoever is killed, cancels or asks again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import copyfile
from typing import Any, cast

import polars as pl
import pytest
from aiokafka import TopicPartition

from agents.begin import LEAST_LABELS, begin
from agents.train import TELL_SECONDS, train
from models.data import Span, read_history
from models.registry import CARD, Registry
from streams.cancellations import Cancellations
from streams.cli.train import run_train
from streams.errors import MalformedMessage
from streams.publisher import Publisher, declare_topics
from streams.records import Planned, Promotion, Record, RunEvent, TrainEvent, TrainRequest
from streams.settings import Settings
from streams.storage.gold.client import GoldClient
from streams.storage.gold.gold import Gold
from streams.topics import MODEL_CHANGES, TRAIN_EVENTS, TRAIN_REQUESTS, Topic
from tests.city_gold import city_changes
from tests.embedded_broker import EmbeddedBroker, consumer
from tests.embedded_s3 import shared_objects
from tests.integration.webapp.serving import nowhere, serve_gold

CRASHES = 4_000
NOW = datetime(2025, 5, 1, tzinfo=UTC)
FEW = ("first_crash_type", "damage")
QUICK: dict[str, Any] = {"features": FEW, "hyperparameters": {"n_estimators": 20}}


class Killed(BaseException):
    """The process dies here: no handler of ours catches it."""


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a Gold with three months of the simulated city."""
    path = tmp_path_factory.mktemp("city") / "gold.duckdb"
    gold = Gold.open(path)
    gold.load(city_changes(11, date(2025, 1, 1), date(2025, 4, 1), CRASHES))
    gold.close()
    return path


@dataclass
class Parts:
    """What a trainer has; what it publishes is kept, and comes to Gold as the gold process brings it there."""

    gold: Gold
    client: GoldClient
    registry: Registry
    sent: list[tuple[Topic, Record]] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    cancel_at: str | None = None

    async def emit(self, topic: Topic, record: Record) -> None:
        self.sent.append((topic, record))
        if isinstance(record, TrainEvent):
            await asyncio.to_thread(self.gold.note_training, [record])
            if record.stage == self.cancel_at:
                self.cancelled.add(record.request_id)
        if isinstance(record, TrainRequest):
            await asyncio.to_thread(self.gold.ask_training, [record])

    async def train(self, request: TrainRequest, registry: Registry | None = None) -> dict[str, Any]:
        """Deliver a request; returns its row of `training_jobs`."""
        await train(request, self.client, registry or self.registry, self.emit, self.cancelled, "0.1.0+abc")
        return await self.job(request.request_id)

    async def job(self, request_id: str) -> dict[str, Any]:
        answer = await self.client.query(
            "select * from training_jobs where request_id = $request_id", parameters={"request_id": request_id}
        )
        (row,) = answer.table.to_pylist()
        return row

    def events(self, topic: Topic) -> list[Any]:
        return [record for sent, record in self.sent if sent is topic]


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Parts]:
    async with (
        serve_gold(path) as served,
        GoldClient(f"http://127.0.0.1:{served.port}") as client,
        shared_objects() as objects,
    ):
        parts = Parts(served.gold, client, None)  # type: ignore[arg-type]  # which publishes by the parts
        parts.registry = Registry(objects, parts.emit)
        yield parts


@pytest.fixture
async def parts(city: Path, tmp_path: Path) -> AsyncIterator[Parts]:
    copyfile(city, tmp_path / "gold.duckdb")
    async with running(tmp_path / "gold.duckdb") as made:
        yield made


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[Parts]:
    async with running(tmp_path / "gold.duckdb") as made:
        yield made


async def test_a_training_ends_in_a_model_that_serves_and_says_where_it_is_from(parts: Parts) -> None:
    begun = time.monotonic()
    request = TrainRequest(request_id="mine", at=NOW, **QUICK)
    job = await parts.train(request)
    assert (job["state"], job["promoted"], job["share"]) == ("finished", True, 1.0)
    meta = await parts.registry.describe(job["model_version"])
    assert await parts.registry.serving() == {"injury": meta.version}
    assert meta.origin.silver_versions == {"2025-01": 1, "2025-02": 1, "2025-03": 1}
    assert (meta.origin.request_id, meta.origin.code_version) == ("mine", "0.1.0+abc")
    assert sum(meta.origin.rows.values()) <= CRASHES
    assert meta.version in (await parts.registry.document(meta.version, CARD)).decode()
    assert [event.version for event in parts.events(MODEL_CHANGES)] == [meta.version]
    told = parts.events(TRAIN_EVENTS)
    assert [event.state for event in told] == ["running"] * (len(told) - 1) + ["finished"]
    assert len(told) - 1 <= 1 + (time.monotonic() - begun) / TELL_SECONDS

    before = len(parts.sent)
    assert await parts.train(request) == job
    assert len(parts.sent) == before, "what has ended is passed over"


async def test_history_is_of_the_days_that_are_wanted_and_mature_in_order_of_time(parts: Parts) -> None:
    at = datetime(2025, 3, 20, 12)
    span = Span(at, timedelta(days=10), start=date(2025, 1, 15))
    history = await read_history(parts.client, "injury", span, ("hour", "persons"), lambda share: None)
    sql = """
        select crash_record_id, crash_date, injury as label, beat_of_occurrence as beat, ppl_count::double as persons
        from crashes where crash_date between '2025-01-15' and '2025-03-10 12:00:00' and injury is not null
        order by crash_date, crash_record_id
    """
    answer = await parts.client.query(sql)
    assert history.rows.drop("hour").equals(cast(pl.DataFrame, pl.from_arrow(answer.table)))
    assert history.silver_versions == {"2025-01": 1, "2025-02": 1, "2025-03": 1}
    none = await read_history(
        parts.client, "injury", replace(span, end=date(2020, 1, 1)), ("hour",), lambda share: None
    )
    assert (none.rows.height, none.silver_versions) == (0, {})


async def test_a_trainer_killed_before_its_model_serves_lets_that_one_serve_when_started_again(parts: Parts) -> None:
    class Dies(Registry):
        async def promote(self, version: str, by: str) -> Promotion:
            raise Killed

    request = TrainRequest(request_id="mine", at=NOW, **QUICK)
    with suppress(Killed):
        await parts.train(request, Dies(parts.registry._objects, parts.emit))
    assert (await parts.job("mine"))["state"] == "running"
    (kept,) = await parts.registry.list()

    job = await parts.train(request)
    assert (job["state"], job["model_version"], job["promoted"]) == ("finished", kept.version, True)
    assert job["metrics"] is not None
    assert len(await parts.registry.list()) == 1
    assert await parts.registry.serving() == {"injury": kept.version}


async def test_what_is_no_better_does_not_serve_unless_told_to(parts: Parts) -> None:
    first = await parts.train(TrainRequest(request_id="first", at=NOW, **QUICK))
    worse = TrainRequest(request_id="worse", at=NOW, features=("hour",), hyperparameters={"n_estimators": 5})
    job = await parts.train(worse)
    assert (job["state"], job["promoted"]) == ("finished", False)
    assert '"verdict": "worse"' in job["comparison"]
    assert await parts.registry.serving() == {"injury": first["model_version"]}
    told_to = await parts.train(worse.model_copy(update={"request_id": "told", "promote": "always"}))
    assert await parts.registry.serving() == {"injury": told_to["model_version"]}


async def test_what_somebody_cancels_ends_at_its_next_step(parts: Parts) -> None:
    parts.cancel_at = "search"
    request = TrainRequest(request_id="mine", at=NOW, search_seconds=60, **QUICK)
    async with asyncio.timeout(30):
        assert (await parts.train(request))["state"] == "cancelled"
    parts.cancelled.add("later")
    assert (await parts.train(TrainRequest(request_id="later", at=NOW)))["state"] == "cancelled"
    assert await parts.registry.list() == []


@pytest.mark.parametrize(
    ("wanted", "error", "field"),
    [
        ({"features": ("injuries_total",)}, "is refused as a feature", "features"),
        ({"hyperparameters": {"depth": 3}}, "lightgbm has no such hyperparameter", "hyperparameters.depth"),
        ({"end": "2020-01-01"}, "of 0 rows with a known outcome", None),
    ],
)
async def test_what_cannot_be_trained_is_answered(
    parts: Parts, wanted: dict[str, Any], error: str, field: str | None
) -> None:
    job = await parts.train(TrainRequest.model_validate({"request_id": "mine", "at": NOW, **wanted}))
    assert job["state"] == "failed"
    assert error in job["error"]
    assert job["field"] == field
    assert job["hint"]


async def test_first_models_are_asked_for_once_however_many_look(parts: Parts) -> None:
    asked = await asyncio.gather(*(begin(parts.client, parts.registry, parts.emit, NOW) for _ in range(3)))
    requests = {request.request_id: request for looked in asked for request in looked}
    assert requests.keys() == {"first-injury-1", "first-injury_severe-1"}
    assert await begin(parts.client, parts.registry, parts.emit, NOW) == []
    request = requests["first-injury-1"].model_copy(update=QUICK)
    for _ in range(2):
        assert (await parts.train(request))["promoted"]
    assert len(await parts.registry.list()) == 1
    assert await begin(parts.client, parts.registry, parts.emit, NOW) == []


async def test_a_first_model_waits_for_a_backfill_and_after_a_failure_for_twice_the_labels(parts: Parts) -> None:
    planned = Planned(
        kind="backfill", start=date(2025, 1, 1), end=date(2025, 4, 1), datasets=("crashes",), windows=1, rows=9
    )
    parts.gold.note([RunEvent(run_id="backfill", event=planned)])
    assert await begin(parts.client, parts.registry, parts.emit, NOW) == []
    parts.gold._write(lambda cursor: cursor.execute("update runs set status = 'complete'"))
    request, _ = await begin(parts.client, parts.registry, parts.emit, NOW)
    failing = request.model_copy(update={"features": ("no such",)})
    assert (await parts.train(failing))["state"] == "failed"
    assert await begin(parts.client, parts.registry, parts.emit, NOW) == []
    # Any more crashes will do: those of other months.
    parts.gold.load(city_changes(12, date(2025, 4, 1), date(2025, 4, 20), LEAST_LABELS))
    (again,) = await begin(parts.client, parts.registry, parts.emit, NOW)
    assert again.request_id == "first-injury-2"


async def test_too_few_labels_ask_for_nothing(empty: Parts) -> None:
    empty.gold.load(city_changes(11, date(2025, 1, 1), date(2025, 2, 1), LEAST_LABELS - 100))
    assert await begin(empty.client, empty.registry, empty.emit, NOW) == []


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker(tmp_path_factory.mktemp("training") / "broker") as running:
        yield running


async def test_a_cancellation_is_heard_whenever_it_came_and_past_what_is_malformed(broker: EmbeddedBroker) -> None:
    await declare_topics(broker.bootstrap)
    cancelled = Cancellations(broker.bootstrap)
    async with Publisher(broker.bootstrap) as publisher, asyncio.timeout(20):
        await publisher.publish(TRAIN_REQUESTS, TrainRequest(request_id="before", cancel=True))
        await publisher.republish(TRAIN_REQUESTS.name, b"x", b"no json")
        listening = asyncio.create_task(cancelled.listen())
        await publisher.publish(TRAIN_REQUESTS, TrainRequest(request_id="wanted"))
        while "before" not in cancelled:
            await asyncio.sleep(0.02)
        await publisher.publish(TRAIN_REQUESTS, TrainRequest(request_id="after", cancel=True))
        while "after" not in cancelled:
            await asyncio.sleep(0.02)
    assert "wanted" not in cancelled
    listening.cancel()
    await asyncio.wait([listening])


@pytest.fixture
async def command(tmp_path: Path, broker: EmbeddedBroker) -> AsyncIterator[tuple[Settings, Gold]]:
    await declare_topics(broker.bootstrap)
    async with serve_gold(tmp_path / "gold.duckdb") as served:
        yield nowhere(tmp_path, kafka_bootstrap=broker.bootstrap, gold_port=served.port), served.gold


async def commanded(
    settings: Settings, work: Callable[[TrainRequest], Awaitable[None]], **wanted: object
) -> tuple[int, TrainRequest]:
    """Run the command and, once its request is there, a trainer's part of it."""
    async with asyncio.timeout(20), consumer(settings.broker) as reader:
        places = [TopicPartition(TRAIN_REQUESTS.name, number) for number in range(TRAIN_REQUESTS.partitions)]
        reader.assign(places)
        for place, end in (await reader.end_offsets(places)).items():
            reader.seek(place, end)
        running = asyncio.create_task(run_train(settings, wanted, wait=True))
        request = TrainRequest.decode((await reader.getone()).value)
        await work(request)
        return await running, request


async def test_the_command_shows_what_came_of_a_training(
    command: tuple[Settings, Gold], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, gold = command

    async def work(request: TrainRequest) -> None:
        names = ("roc_auc", "pr_auc", "pr_auc_lift", "brier", "ece", "log_loss", "f1", "precision", "recall")
        metric = {"value": 0.8, "low": 0.75, "high": 0.85}
        difference = {"candidate": 0.8, "serving": 0.7, "difference": metric, "verdict": "better"}
        gold.note_training(
            [
                TrainEvent(
                    request=request,
                    state="finished",
                    started_at=request.at,
                    stage="keep",
                    share=1.0,
                    model_version="the-version",
                    promoted=True,
                    metrics=dict.fromkeys(names, metric),
                    comparison={"verdict": "better", "metrics": {"roc_auc": difference}},
                )
            ]
        )

    code, request = await commanded(settings, work, algorithm="forest", hyperparameters={"n_estimators": 9}, recall=0.7)
    assert (request.algorithm, request.hyperparameters, request.recall) == ("forest", {"n_estimators": 9}, 0.7)
    shown = capsys.readouterr().out
    assert code == 0
    assert "0.750 … 0.850" in shown
    assert "+0.750 … +0.850" in shown
    assert "the-version" in shown
    assert "it serves now" in shown


async def test_the_command_says_why_there_is_no_model(
    command: tuple[Settings, Gold], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, gold = command

    async def work(request: TrainRequest) -> None:
        told = {"state": "failed", "stage": "prepare", "share": 0.2, "error": "no such feature", "hint": "did you mean"}
        gold.note_training([TrainEvent(request=request, started_at=request.at, **told)])

    code, _ = await commanded(settings, work)
    assert code == 1
    assert "no such feature\ndid you mean" in capsys.readouterr().out


async def test_a_wrong_option_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(MalformedMessage, match="recall") as refused:
        await run_train(nowhere(tmp_path), {"recall": 7}, wait=False)
    assert refused.value.field == "recall"
