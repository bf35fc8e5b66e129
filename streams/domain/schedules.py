"""Schedules and their times: what a change makes of a schedule, and whether it is due."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime

from streams.domain.cron import latest_time, time_after
from streams.records import Schedule, ScheduleChange

# Somebody is late rather than away: a worker that died is missed after ten seconds, and its heir reads the table first.
LATE: Final = timedelta(seconds=90)


class ScheduleState(Schedule):
    """A schedule and what became of it.

    Times up to `settled_at` are dealt with: run, skipped by a pause, or before its creation. `last_run_at` is the time
    that it last ran for, not the moment at which it did.
    """

    paused: bool = False
    created_at: AwareDatetime
    settled_at: AwareDatetime
    last_run_at: AwareDatetime | None = None


def created(schedule: Schedule, at: datetime) -> ScheduleState:
    """A schedule that has never run."""
    return ScheduleState(**schedule.model_dump(), created_at=at, settled_at=at)


def apply(state: ScheduleState | None, change: ScheduleChange) -> ScheduleState | None:
    """The state after `change`; None where there is no schedule, before it is created and after it is deleted.

    Changes are applied in the order of their topic. Delivered again from some point on, they end in the same state.
    """
    if change.schedule is not None and change.change == "create":
        new = created(change.schedule, change.at)
        if state is None:
            return new
        settled = max(new.settled_at, state.settled_at)
        return new.model_copy(update={"settled_at": settled, "last_run_at": state.last_run_at})
    if state is None or change.change == "delete":
        return None
    if change.change == "pause":
        return state.model_copy(update={"paused": True})
    if change.change == "resume":
        # What passed meanwhile was not missed. Also where it was not paused: delivered again, after a later pause, this
        # has to leave the same.
        return state.model_copy(update={"paused": False, "settled_at": max(state.settled_at, change.at)})
    if time := fires(state, change):
        return state.model_copy(update={"settled_at": time, "last_run_at": time})
    return state


def fires(state: ScheduleState | None, change: ScheduleChange) -> datetime | None:
    """The time for which `change` has the schedule run; None where it does not, or that time is dealt with already."""
    if state is None or state.paused or change.change != "fire" or change.due is None:
        return None
    return change.due if change.due > state.settled_at else None


def due(state: ScheduleState, now: datetime) -> datetime | None:
    """The time, in UTC, for which the schedule is to run now, if there is one.

    The last one stands for all that were missed; whoever skips what is missed runs only if that one has just come.
    """
    if state.paused:
        return None
    time = latest_time(state.cron, now)
    if time <= state.settled_at or (state.missed == "skip" and now - time > LATE):
        return None
    return time


def next_run(state: ScheduleState, now: datetime) -> datetime | None:
    """The next time, in UTC, that the schedule will run for; None while it is paused."""
    return None if state.paused else due(state, now) or time_after(state.cron, now)
