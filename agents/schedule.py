"""`schedule-changes` → requests: keep the schedules, and ask for what is to be done when one fires."""

from collections.abc import Iterator, MutableMapping
from datetime import datetime, timedelta
from typing import Any

from streams.domain.cron import CHICAGO
from streams.domain.schedules import ScheduleState, apply, fires
from streams.publisher import Emit
from streams.records import AuditRequest, BackfillRequest, PollRequest, Record, Schedule, ScheduleChange
from streams.topics import AUDIT_REQUESTS, BACKFILL_REQUESTS, POLL_REQUESTS, Topic


async def schedule(change: ScheduleChange, states: MutableMapping[str, Any], emit: Emit) -> None:
    """Apply a change. A time that fires twice, by two clocks or in two deliveries, is one run.

    Requests are out before the state says so: a kill in between repeats them, under the same ids.
    """
    known = states.get(change.schedule_id)
    state = ScheduleState.model_validate(known) if known else None
    due = fires(state, change)
    if state and due:
        for topic, request in _requests(state, due):
            await emit(topic, request)
    after = apply(state, change)
    if after:
        states[change.schedule_id] = after.model_dump(mode="json")
    elif known:
        del states[change.schedule_id]


def _requests(schedule: Schedule, due: datetime) -> Iterator[tuple[Topic, Record]]:
    """What a schedule asks for at `due`; its days count back from that day in Chicago."""
    local = due.astimezone(CHICAGO)
    # Chicago's clock tells the first one o'clock of autumn from the second only by its offset.
    run_id = f"schedule-{schedule.schedule_id}-{local:%Y%m%dT%H%M}"
    if local.fold:
        run_id += "-again"
    tomorrow = local.date() + timedelta(days=1)
    start = local.date() - timedelta(days=schedule.days) if schedule.days else None
    if schedule.mode == "backfill" and start:
        request = BackfillRequest(
            request_id=run_id, start=start, end=tomorrow, datasets=schedule.datasets, kind="schedule"
        )
        yield BACKFILL_REQUESTS, request
    if schedule.mode == "streaming":
        since = due - timedelta(days=schedule.days) if schedule.days else None
        for dataset in schedule.datasets:
            yield POLL_REQUESTS, PollRequest(run_id=f"{run_id}-{dataset}", dataset=dataset, since=since, at=due)
    if schedule.mode == "audit":
        end = tomorrow if start else None
        yield AUDIT_REQUESTS, AuditRequest(run_id=run_id, start=start, end=end, datasets=schedule.datasets)
