"""`/api/model/train|jobs|features|algorithms`: have a model trained, follow that, and give it up."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from models.compare import Comparison
from models.evaluate import Metric
from streams.publisher import Emit
from streams.records import Algorithm, Identifier, Target, Tier, TrainRequest
from streams.storage.gold.client import GoldClient
from streams.topics import TRAIN_REQUESTS
from webapp.api import trainable
from webapp.api.trainable import Algorithms, FeatureTable
from webapp.errors import ERRORS, ApiError, ErrorEnvelope
from webapp.queries import rows
from webapp.times import Time

JobId = Annotated[str, Path(max_length=120, examples=["api-3f1c9a2b7d40"])]
_PARSED: Final = ("request", "metrics", "comparison")


class NewTraining(TrainRequest):
    """What to train; everything may be left out.

    It learns from crashes of `start` (inclusive) to `end` (exclusive) that are at least `maturity_days` old. The
    threshold is chosen for a `recall` to reach or for a `cost`: how many false alarms a missed case is worth.
    `search_seconds` searches hyperparameters for so long. It serves if it is better than what does (`if-better`).
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"target": "injury", "tier": "report", "algorithm": "lightgbm"},
                {"target": "injury_severe", "algorithm": "xgboost", "search_seconds": 300, "recall": 0.8},
                {"tier": "pre-crash", "algorithm": "logistic", "start": "2024-01-01", "promote": "never"},
            ]
        },
    )

    request_id: Identifier = Field(
        default_factory=lambda: f"api-{uuid4().hex[:12]}",
        description="names the job; the same id again is the same job",
    )
    cancel: Literal[False] = Field(False, description="POST /api/model/jobs/{request_id}/cancel gives a job up")


class Asked(BaseModel):
    """The request is on its topic; `GET /api/model/jobs/{request_id}` follows it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request_id": "api-3f1c9a2b7d40"}]})

    request_id: str


class ComparedWith(Comparison):
    """The new model beside `version`, which served when it was trained: judged on the same crashes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str | None = Field(None, description="null of trainings that did not say it yet")


class TrainingJob(BaseModel):
    """A training, as it stands. Times are in UTC."""

    request_id: str
    state: Literal["requested", "running", "finished", "failed", "cancelled"]
    target: Target
    tier: Tier
    algorithm: Algorithm
    request: TrainRequest
    requested_at: Time
    started_at: Time | None
    changed_at: Time
    ended_at: Time | None
    stage: str | None
    share: float | None = Field(description="how much is done, from 0 to 1")
    score: float | None = Field(description="how good the best model is so far")
    seconds_left: float | None
    model_version: str | None = Field(description="what came of it")
    promoted: bool | None = Field(description="whether that serves now")
    metrics: dict[str, Metric] | None = Field(description="by name, each with its 95 % interval")
    comparison: ComparedWith | None = Field(description="with the model that served before, if one did")
    error: str | None
    field: str | None = Field(description="the input at fault, if one is")
    hint: str | None


class TrainingJobs(BaseModel):
    """Trainings: those under way first, then the last asked for."""

    jobs: list[TrainingJob]


def routes(gold: GoldClient, emit: Emit, may_write: Callable[..., None]) -> APIRouter:
    """The routes about training; ``may_write`` is the dependency that checks the token."""
    router = APIRouter(prefix="/api/model", tags=["model"], responses=ERRORS)
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ErrorEnvelope} for code in (401, 403)}
    writing: dict[str, Any] = {"status_code": 202, "dependencies": [Depends(may_write)]}
    absent: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope}}

    @router.post("/train", responses=refused, **writing)
    async def train(training: NewTraining) -> Asked:
        """Have a model trained. A trainer takes it up as soon as it is free."""
        request = TrainRequest(**training.model_dump())
        await asyncio.to_thread(_check, request)
        await emit(TRAIN_REQUESTS, request)
        return Asked(request_id=training.request_id)

    @router.get("/features")
    async def features() -> FeatureTable:
        """What a model may know of a crash, by the tier at which it is known, and what none may know."""
        return trainable.features()

    @router.get("/algorithms")
    async def algorithms() -> Algorithms:
        """The algorithms, with their hyperparameters: type, range, default, and what each does."""
        return await asyncio.to_thread(trainable.algorithms)

    @router.get("/jobs")
    async def jobs(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> TrainingJobs:
        """Trainings: those under way first, then the last asked for."""
        return TrainingJobs(jobs=[_job(row) for row in await rows(gold, "training_jobs", limit=limit)])

    @router.post("/jobs/{request_id:path}/cancel", responses={**refused, **absent, 409: absent[404]}, **writing)
    async def cancel(request_id: JobId) -> Asked:
        """Give a training up. It ends within seconds, and nothing of it is kept."""
        job = await _known(gold, request_id)
        if job.ended_at is not None:
            raise ApiError(
                409,
                "over",
                f"the training {request_id} is over: {job.state}",
                field="request_id",
                hint="POST /api/model/rollback takes back what it has promoted",
            )
        await emit(TRAIN_REQUESTS, TrainRequest(request_id=request_id, cancel=True))
        return Asked(request_id=request_id)

    @router.get("/jobs/{request_id:path}", responses=absent)
    async def job(request_id: JobId) -> TrainingJob:
        """One training: how far it is, what came of it, or why nothing did."""
        return await _known(gold, request_id)

    return router


def _check(request: TrainRequest) -> None:
    from models.train import checked  # the libraries of models take seconds to import, so not at the start

    checked(request)


async def _known(gold: GoldClient, request_id: str) -> TrainingJob:
    found = await rows(gold, "training_job", request_id=request_id)
    if not found:
        raise ApiError(
            404,
            "not-found",
            f"there is no training {request_id}",
            field="request_id",
            hint="GET /api/model/jobs lists them; one just asked for may take a second to be there",
        )
    return _job(found[0])


def _job(row: dict[str, Any]) -> TrainingJob:
    parsed = {name: from_json(row[name]) for name in _PARSED if row[name] is not None}
    return TrainingJob(**{**row, **parsed})
