"""Gold → `train-requests`: ask for the first model of a target, as soon as enough outcomes are known."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Never

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
ASKED: Final = "select request_id, ended_at is not null as ended from training_jobs where request_id like 'first-%'"


async def begin_ever(gold: GoldClient, registry: Registry, owns: Callable[[], bool], emit: Emit) -> Never:
    """Look every few seconds, where this process `owns` the clock, whether there is a first model to be asked for."""
    while True:
        if owns():
            with suppress(CrashStreamError):  # what is away comes back
                await begin(gold, registry, emit, datetime.now(CHICAGO))
        await asyncio.sleep(LOOK_SECONDS)


async def begin(gold: GoldClient, registry: Registry, emit: Emit, now: datetime) -> list[TrainRequest]:
    """Ask for the first model of each target that has none though it could have; returns the requests.

    The request's id says how many labels there were, in powers of two: asking again is the same request, and where a
    training failed there will be another when there are twice as many.
    """
    serving = await registry.serving()
    lacking = [target for target in TARGETS if target not in serving]
    if not lacking:
        return []
    asked = {row["request_id"]: row["ended"] for row in (await gold.query(ASKED)).table.to_pylist()}
    requests = []
    for target in lacking:
        request = TrainRequest(request_id="first", target=target, maturity_days=MATURITY_DAYS)
        before = (now - timedelta(days=request.maturity_days)).replace(tzinfo=None)
        (found,) = (await gold.query(MATURE, parameters={"before": before.isoformat()})).table.to_pylist()
        request_id = _request_id(target, found, asked)
        if request_id is not None:
            requests.append(request.model_copy(update={"request_id": request_id}))
    for request in requests:
        await emit(TRAIN_REQUESTS, request)
        log.info("asked for a first model", request_id=request.request_id)
    return requests


def _request_id(target: Target, found: dict[str, Any], asked: dict[str, bool]) -> str | None:
    labels, positives = found[f"{target}_labels"], found[f"{target}_positives"]
    if labels < LEAST_LABELS or positives < LEAST_POSITIVES[target] or (found["backfills"] and labels < PLENTY):
        return None
    prefix = f"first-{target}-"
    request_id = f"{prefix}{(labels // LEAST_LABELS).bit_length()}"
    under_way = any(not ended for known, ended in asked.items() if known.startswith(prefix))
    return None if request_id in asked or under_way else request_id
