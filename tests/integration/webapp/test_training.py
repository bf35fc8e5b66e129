"""Trainings over the API: what reaches the topic, how they stand, and who may ask for one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from models.algorithms import ALGORITHMS
from models.features import chosen
from streams.records import TrainEvent, TrainRequest
from streams.storage.gold.gold import Gold
from streams.topics import TRAIN_REQUESTS
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_gold, serve_web

BEARER = {"Authorization": f"Bearer {TOKEN}"}
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@dataclass
class Served:
    """The app over a Gold of its own; what it publishes reaches Gold by `deliver`."""

    api: aiohttp.ClientSession
    outbox: Outbox
    gold: Gold

    async def ask(self, method: str, path: str, status: int, body: Any = None, headers: Any = BEARER) -> dict[str, Any]:
        async with self.api.request(method, f"/api/model/{path}", json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == status, answer
            return answer

    def published(self) -> list[TrainRequest]:
        assert all(topic is TRAIN_REQUESTS for topic, _ in self.outbox.records)
        requests = [TrainRequest.decode(record.encode()) for _, record in self.outbox.records]
        self.outbox.records.clear()
        return requests


@pytest.fixture
async def served(tmp_path: Path, outbox: Outbox) -> AsyncIterator[Served]:
    async with (
        serve_gold(tmp_path / "gold.duckdb") as gold,
        serve_web(nowhere(tmp_path, gold_port=gold.port), outbox) as url,
        aiohttp.ClientSession(url) as api,
    ):
        yield Served(api, outbox, gold.gold)


def event(request: TrainRequest, state: str, share: float, **found: Any) -> TrainEvent:
    told = {"request": request, "state": state, "started_at": request.at, "at": request.at + timedelta(seconds=share)}
    return TrainEvent(**told, stage="fit", share=share, **found)


async def test_a_training_is_asked_for_followed_and_given_up(served: Served) -> None:
    wanted = {
        "target": "injury_severe",
        "tier": "at-scene",
        "algorithm": "logistic",
        "recall": 0.8,
        "start": "2024-01-01",
    }
    asked = await served.ask("POST", "train", 202, wanted)
    (request,) = served.published()
    assert request.request_id == asked["request_id"]
    assert {name: request.model_dump(mode="json")[name] for name in wanted} == wanted
    assert not request.cancel
    path = f"jobs/{request.request_id}"
    assert (await served.ask("GET", path, 404))["error"]["field"] == "request_id"

    served.gold.ask_training([request])
    job = await served.ask("GET", path, 200, headers={})
    assert (job["state"], job["tier"], job["share"]) == ("requested", "at-scene", None)
    served.gold.note_training([event(request, "running", 0.5, score=0.7, seconds_left=9.0)])
    job = await served.ask("GET", path, 200)
    assert (job["state"], job["share"], job["score"], job["seconds_left"]) == ("running", 0.5, 0.7, 9.0)

    assert await served.ask("POST", f"{path}/cancel", 202) == asked
    (cancel,) = served.published()
    assert (cancel.request_id, cancel.cancel) == (request.request_id, True)
    served.gold.note_training([event(request, "cancelled", 0.6)])
    error = (await served.ask("POST", f"{path}/cancel", 409))["error"]
    assert (error["code"], error["field"]) == ("over", "request_id")
    assert served.published() == []


async def test_jobs_are_listed_with_what_came_of_them(served: Served) -> None:
    first, second, third = (TrainRequest(request_id=name, at=NOON) for name in ("first", "second", "third"))
    metrics = {"roc_auc": {"value": 0.9, "low": 0.88, "high": 0.92}}
    difference = {"candidate": 0.9, "serving": 0.8, "difference": {"value": 0.1, "low": 0.05, "high": 0.15}}
    comparison = {
        "version": "u",
        "rows": 2000,
        "positives": 300,
        "metrics": {"roc_auc": {**difference, "verdict": "better"}},
        "verdict": "better",
        "resamples": 400,
        "seed": 0,
    }
    served.gold.ask_training([first, second, third])
    found = {"model_version": "v", "promoted": True, "metrics": metrics, "comparison": comparison}
    served.gold.note_training(
        [
            event(first, "finished", 1, **found),
            event(third, "failed", 0.1, error="too few rows", field="start", hint="more"),
        ]
    )
    jobs = (await served.ask("GET", "jobs", 200, headers={}))["jobs"]
    assert [(job["request_id"], job["state"]) for job in jobs] == [
        ("second", "requested"),
        ("first", "finished"),
        ("third", "failed"),
    ]
    assert {name: jobs[1][name] for name in found} == found
    assert jobs[1]["request"]["request_id"] == "first"
    assert (jobs[2]["error"], jobs[2]["field"], jobs[2]["hint"]) == ("too few rows", "start", "more")
    assert len((await served.ask("GET", "jobs?limit=1", 200))["jobs"]) == 1


async def test_a_caller_finds_all_that_a_model_can_be_made_of(served: Served) -> None:
    table = await served.ask("GET", "features", 200, headers={})
    by_tier = {each["tier"]: {feature["name"] for feature in each["features"]} for each in table["tiers"]}
    assert list(by_tier) == ["pre-crash", "at-scene", "report"]
    assert by_tier["pre-crash"] | by_tier["at-scene"] == {feature.name for feature in chosen("at-scene")}
    refused = {each["column"]: each["why"] for each in table["refused"]}
    assert "outcome" in refused["injuries_total"]
    assert not refused.keys() & set().union(*by_tier.values())

    algorithms = (await served.ask("GET", "algorithms", 200, headers={}))["algorithms"]
    assert {each["name"] for each in algorithms} == set(ALGORITHMS)
    for algorithm in algorithms:
        defaults = {each["name"]: each["default"] for each in algorithm["hyperparameters"]}
        body = {"algorithm": algorithm["name"], "hyperparameters": defaults}
        await served.ask("POST", "train", 202, body)
    # Each bound is where the service itself begins to refuse.
    for algorithm in algorithms:
        for each in algorithm["hyperparameters"]:
            if each["maximum"] is None:
                continue
            beyond = each["maximum"] if each["without_maximum"] else each["maximum"] + 1
            body = {"algorithm": algorithm["name"], "hyperparameters": {each["name"]: beyond}}
            error = (await served.ask("POST", "train", 422, body))["error"]
            assert error["field"] == f"hyperparameters.{each['name']}"


async def test_a_wrong_request_is_refused_by_field(served: Served) -> None:
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"features": ["injuries_total"]}, "features", "outcome"),
        ({"features": ["damage"], "tier": "at-scene"}, "features", "report"),
        ({"features": ["postedspeed_limit"]}, "features", "there is no feature"),
        ({"algorithm": "oracle"}, "algorithm", "'lightgbm'"),
        ({"hyperparameters": {"leafs": 3}}, "hyperparameters.leafs", "leafs"),
        ({"start": "2024-02-01", "end": "2024-01-01"}, None, "must be after start"),
        ({"recall": 0.5, "cost": 3}, None, "leave one of them out"),
        ({"cancel": True}, "cancel", "False"),
        ({"epochs": 3}, "epochs", "not permitted"),
    ]  # type: ignore[list-item]
    for body, field, words in wrong:
        error = (await served.ask("POST", "train", 422, body))["error"]
        assert (error["field"], bool(error["hint"])) == (field, True), error
        assert words in error["message"]
    assert served.published() == []


async def test_the_same_id_again_is_the_same_job(served: Served) -> None:
    for _ in range(2):
        assert await served.ask("POST", "train", 202, {"request_id": "nightly"}) == {"request_id": "nightly"}
    assert {request.request_id for request in served.published()} == {"nightly"}
    unnamed = [(await served.ask("POST", "train", 202, {}))["request_id"] for _ in range(2)]
    assert len(set(unnamed)) == 2


async def test_without_the_token_nothing_is_asked_for(served: Served) -> None:
    for path in ("train", "jobs/first/cancel"):
        assert (await served.ask("POST", path, 401, {}, headers={}))["error"]["field"] == "Authorization"
    assert served.published() == []
