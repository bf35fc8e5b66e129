"""Gold → `train-requests`: ask for the first model of a target, as soon as enough outcomes are known."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Never

import structlog

from models.registry import Registry
from streams.domain.cron import CHICAGO
from streams.errors import CrashStreamError
from streams.publisher import Emit
from streams.records import TARGETS, Target, TrainRequest
from streams.storage.gold.client import GoldClient
from streams.topics import TRAIN_REQUESTS

log = structlog.get_logger()

LOOK_SECONDS: Final = 2.0
# What a first model needs: so many mature labels, and among them so many of the rarer outcome that its test part, the
# newest fifth of them, has some, too.
LEAST_LABELS: Final = 2_000
LEAST_POSITIVES: Final[dict[Target, int]] = {"injury": 100, "injury_severe": 60}
# A copy of thirty days has little to learn from as it is; one that is asked for later waits for more to be final.
MATURITY_DAYS: Final = 7
# A backfill is waited for, as what it brings makes a better model; but not until all of history is there.
PLENTY: Final = 100_000

MATURE: Final = """
    select
        (select count(*) from runs where status = 'running' and kind in ('backfill', 'first-start')) as backfills,
        count(injury) as injury_labels, count(*) filter (where injury) as injury_positives,
        count(injury_severe) as injury_severe_labels, count(*) filter (where injury_severe) as injury_severe_positives
    from crashes where crash_date < $before::timestamp
"""
KNOWN: Final = "select request_id, ended_at is not null as ended from training_jobs where request_id like 'first-%'"


@dataclass(frozen=True)
class First:
    """The training of a first model; `asked` once Gold lists it."""

    request: TrainRequest
    asked: bool


async def begin_ever(gold: GoldClient, registry: Registry, owns: Callable[[], bool], emit: Emit) -> Never:
    """Look every few seconds, where this process `owns` the clock, whether there is a first model to be asked for."""
    while True:
        if owns():
            with suppress(CrashStreamError):  # what is away comes back
                await begin(gold, registry, emit, datetime.now(UTC))
        await asyncio.sleep(LOOK_SECONDS)


async def begin(gold: GoldClient, registry: Registry, emit: Emit, now: datetime) -> list[TrainRequest]:
    """Ask for the first models that there could be and are not asked for; returns the requests."""
    asked = []
    for first in await first_trainings(gold, registry, now):
        if not first.asked:
            await emit(TRAIN_REQUESTS, first.request)
            log.info("asked for a first model", request_id=first.request.request_id)
            asked.append(first.request)
    return asked


async def first_trainings(gold: GoldClient, registry: Registry, now: datetime) -> list[First]:
    """Trainings of targets without a model that could have one, and that have not ended.

    The request's id says how many labels there were, in powers of two: asking again is the same request, and where a
    training failed there will be another when there are twice as many.
    """
    serving = await registry.serving()
    lacking = [target for target in TARGETS if target not in serving]
    if not lacking:
        return []
    before = (now.astimezone(CHICAGO) - timedelta(days=MATURITY_DAYS)).replace(tzinfo=None)
    (found,) = (await gold.query(MATURE, parameters={"before": before.isoformat()})).table.to_pylist()
    known = {row["request_id"]: row["ended"] for row in (await gold.query(KNOWN)).table.to_pylist()}
    return [first for target in lacking if (first := _first(target, found, known))]


def _first(target: Target, found: Mapping[str, int], known: Mapping[str, bool]) -> First | None:
    labels, positives = found[f"{target}_labels"], found[f"{target}_positives"]
    if labels < LEAST_LABELS or positives < LEAST_POSITIVES[target] or (found["backfills"] and labels < PLENTY):
        return None
    prefix = f"first-{target}-"
    request_id = f"{prefix}{(labels // LEAST_LABELS).bit_length()}"
    if known.get(request_id):
        return None
    under_way = any(not ended for other, ended in known.items() if other.startswith(prefix))
    return First(TrainRequest(request_id=request_id, target=target, maturity_days=MATURITY_DAYS), asked=under_way)
