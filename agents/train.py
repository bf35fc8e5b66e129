"""`train-requests` → a model in the registry, `train-events`: train what is asked for; it serves if it is better."""

import asyncio
import os
import time
from collections.abc import Container
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, Literal, Never

import structlog

from models.card import card
from models.data import Span, read_history
from models.evaluate import Evaluation
from models.model import Model
from models.registry import EVALUATION, Meta, Origin, Registry
from models.train import STAGES, Stage, checked, needed, threshold_rule
from models.train import train as train_model
from streams.domain.cron import CHICAGO
from streams.errors import BrokerUnavailable, CrashStreamError, ModelDamaged, TrainingCancelled
from streams.publisher import Emit
from streams.records import TrainEvent, TrainRequest
from streams.storage.gold.client import GoldClient
from streams.topics import TRAIN_EVENTS

log = structlog.get_logger()

# How often a training says how far it is.
TELL_SECONDS: Final = 0.5
# The other processes of a small machine are to answer meanwhile.
THREADS: Final = max(1, (os.cpu_count() or 1) - 1)
# Before, nobody can say how long the rest will take.
_TELLING_SHARE: Final = 0.05

ENDED: Final = """
    select request_id from training_jobs where request_id = $request_id and state in ('finished', 'cancelled')
"""


async def train(
    request: TrainRequest,
    gold: GoldClient,
    registry: Registry,
    emit: Emit,
    cancelled: Container[str],
    code_version: str,
) -> None:
    """Train what is asked for, once: what has ended is passed over, what was broken off begins again.

    What cannot be trained is an answer, and no dead letter: the event that ends it says why.
    """
    if request.cancel or await _ended(request, gold):
        return
    job = Job(request, cancelled)
    telling = asyncio.create_task(job.tell_ever(emit))
    try:
        meta, found = await _kept(request, registry) or await _make(job, gold, registry, code_version)
        promoted = await _serve(request, meta, registry)
        ending = job.event("finished", model_version=meta.version, promoted=promoted, **found)
    except Exception as error:
        if isinstance(error, CrashStreamError) and error.retriable:
            raise
        await job.stop(telling)
        await emit(TRAIN_EVENTS, job.failure(error))
        if not isinstance(error, CrashStreamError):
            raise  # a defect of ours
        log.warning("not trained", request_id=request.request_id, error=type(error).__name__, reason=str(error))
    else:
        await job.stop(telling)
        await emit(TRAIN_EVENTS, ending)
        log.info("trained", request_id=request.request_id, version=ending.model_version, promoted=promoted)
    finally:
        await job.stop(telling)


@dataclass
class Job:
    """A training under way: its thread says how far it is, and is told to give up; others are told how it stands."""

    request: TrainRequest
    cancelled: Container[str]
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _started: float = field(default_factory=time.monotonic)
    _stage: Stage = "read"
    _share: float = 0.0
    _score: float | None = None
    _stopped: bool = False

    def progress(self, stage: Stage, share: float, score: float | None = None) -> None:
        """Called by the training, from any thread: `share` of `stage` is done, `score` is the best so far.

        Raises `TrainingCancelled` where somebody asked for it, or nobody waits for it any more.
        """
        if self._stopped or self.request.request_id in self.cancelled:
            raise TrainingCancelled(f"the training {self.request.request_id} is cancelled")
        begin, end = STAGES[stage]
        self._stage, self._share = stage, begin + (end - begin) * min(max(share, 0.0), 1.0)
        self._score = score if score is not None else self._score

    async def tell_ever(self, emit: Emit) -> Never:
        """Say how it stands, whenever that has changed."""
        told = None
        while True:
            if told != (self._stage, self._share, self._score):
                told = (self._stage, self._share, self._score)
                with suppress(BrokerUnavailable):  # the next one says it all
                    await emit(TRAIN_EVENTS, self.event("running"))
            await asyncio.sleep(TELL_SECONDS)

    def event(self, state: Literal["running", "finished", "failed", "cancelled"], **found: Any) -> TrainEvent:
        """How it stands."""
        taken, share = time.monotonic() - self._started, 1.0 if state == "finished" else self._share
        left = taken * (1 - share) / share if state == "running" and share > _TELLING_SHARE else None
        return TrainEvent(
            request=self.request,
            state=state,
            started_at=self.started_at,
            stage=self._stage,
            share=share,
            score=self._score,
            seconds_left=left,
            **found,
        )

    def failure(self, error: Exception) -> TrainEvent:
        """That it ended by this error."""
        if isinstance(error, TrainingCancelled):
            return self.event("cancelled")
        if isinstance(error, CrashStreamError):
            return self.event("failed", error=error.message, field=error.field, hint=error.hint)
        hint = "this is a defect of the service: its dead letter and the trainer's log say more"
        return self.event("failed", error=f"{type(error).__name__}: {error}", hint=hint)

    async def stop(self, telling: asyncio.Task[Never]) -> None:
        """End its thread, at the next progress, and say no more."""
        self._stopped = True
        telling.cancel()
        await asyncio.wait([telling])


async def _ended(request: TrainRequest, gold: GoldClient) -> bool:
    answer = await gold.query(ENDED, parameters={"request_id": request.request_id})
    return bool(answer.table.num_rows)


async def _kept(request: TrainRequest, registry: Registry) -> tuple[Meta, dict[str, Any]] | None:
    """The model that an earlier attempt has kept, and what was found about it."""
    for meta in await registry.list():
        if meta.origin.request_id == request.request_id:
            evaluation = Evaluation.model_validate_json(await registry.document(meta.version, EVALUATION))
            return meta, {"metrics": _metrics(evaluation)}
    return None


async def _make(job: Job, gold: GoldClient, registry: Registry, code_version: str) -> tuple[Meta, dict[str, Any]]:
    """Train a model and keep it."""
    request = job.request
    checked(request)
    serving = await _serving(request, registry)
    at = request.at.astimezone(CHICAGO).replace(tzinfo=None)
    span = Span(at, timedelta(days=request.maturity_days), request.start, request.end)
    needs = needed(request, serving)
    history = await read_history(gold, request.target, span, needs, partial(job.progress, "read"))
    work = partial(train_model, request, history.rows, serving, job.started_at, job.progress, threads=THREADS)
    trained = await asyncio.to_thread(work)
    job.progress("keep", 0.0)
    origin = Origin(
        request_id=request.request_id,
        hyperparameters=trained.hyperparameters.model_dump(),
        silver_versions=dict(history.silver_versions),
        rows=dict(trained.rows),
        code_version=code_version,
        better=trained.better,
    )
    text = card(
        trained.model,
        trained.evaluation,
        origin,
        threshold_rule=threshold_rule(request),
        comparison=trained.comparison,
    )
    meta = await registry.save(
        trained.model,
        trained.evaluation,
        text,
        origin,
        metrics={name: metric.value for name, metric in trained.evaluation.metrics.items()},
        reference=trained.reference,
    )
    comparison = None
    if serving and trained.comparison:
        comparison = {"version": serving.version, **trained.comparison.model_dump(mode="json")}
    return meta, {"metrics": _metrics(trained.evaluation), "comparison": comparison}


async def _serving(request: TrainRequest, registry: Registry) -> Model | None:
    """What the new model is compared with; one that cannot be loaded is as good as none."""
    version = (await registry.serving()).get(request.target)
    try:
        return await registry.load(version) if version else None
    except ModelDamaged as error:
        log.error("model damaged", version=version, reason=str(error))
        return None


async def _serve(request: TrainRequest, meta: Meta, registry: Registry) -> bool:
    """Let the model serve if that is wanted; returns whether it does."""
    better = meta.origin.better is not False
    if request.promote == "always" or (request.promote == "if-better" and better):
        await registry.promote(meta.version, by=f"training {request.request_id}")
        return True
    return False


def _metrics(evaluation: Evaluation) -> dict[str, Any]:
    """Each metric's value, low and high."""
    return {name: metric.model_dump() for name, metric in evaluation.metrics.items()}
