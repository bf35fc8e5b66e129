"""Schedules in a terminal: showing them, and changing them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from rich.table import Table as Grid

from streams.console import console
from streams.domain.cron import CHICAGO, explain
from streams.domain.schedules import ScheduleState, created, next_run
from streams.errors import RequestError
from streams.publisher import publish_once
from streams.records import Schedule, ScheduleChange
from streams.settings import Settings
from streams.storage.gold.client import GoldClient
from streams.storage.gold.schedules import read_schedules
from streams.topics import SCHEDULE_CHANGES


async def show_schedules(settings: Settings) -> None:
    """Print a row a schedule."""
    grid = Grid("name", "what", "when", title="Schedules (Chicago time)", title_justify="left")
    for column in ("last run", "next run"):
        grid.add_column(column, no_wrap=True)
    for state in (await _schedules(settings)).values():
        what = f"{state.mode}, {state.days} days" if state.days else state.mode
        when = f"{state.cron}\n{explain(state.cron)}"
        last = _in_chicago(state.last_run_at) if state.last_run_at else "none yet"
        grid.add_row(state.schedule_id, what, when, last, _next(state))
    console.print(grid if grid.rows else "There are no schedules. See `crash-stream schedule add --help`.")


async def add_schedule(settings: Settings, wanted: Mapping[str, object]) -> None:
    """Create a schedule of the fields `wanted`. Raises `RequestError`, which names the field that is wrong."""
    given = {name: value for name, value in wanted.items() if value is not None}
    schedule = Schedule.decode(json.dumps(given).encode())
    if schedule.schedule_id in await _schedules(settings):
        raise RequestError(
            f"there is a schedule {schedule.schedule_id} already",
            field="schedule_id",
            hint="choose another name, or delete that one first",
        )
    change = ScheduleChange(schedule_id=schedule.schedule_id, change="create", schedule=schedule)
    await _publish(settings, change)
    console.print(f"{schedule.schedule_id}: {explain(schedule.cron)}; next run {_next(created(schedule, change.at))}")


async def change_schedule(settings: Settings, schedule_id: str, what: Literal["pause", "resume", "delete"]) -> None:
    """Change a schedule. Raises `RequestError` where there is none of that name."""
    if schedule_id not in await _schedules(settings):
        raise RequestError(
            f"there is no schedule {schedule_id}", field="schedule_id", hint="`crash-stream schedule list` lists them"
        )
    await _publish(settings, ScheduleChange(schedule_id=schedule_id, change=what))
    console.print(f"{schedule_id}: {what} asked for; `crash-stream schedule list` shows it in a second or so")


async def _schedules(settings: Settings) -> dict[str, ScheduleState]:
    async with GoldClient(settings.gold) as gold:
        return {state.schedule_id: state for state in await read_schedules(gold)}


async def _publish(settings: Settings, change: ScheduleChange) -> None:
    await publish_once(settings.broker, SCHEDULE_CHANGES, change)


def _next(state: ScheduleState) -> str:
    time = next_run(state, datetime.now(UTC))
    return _in_chicago(time) if time else "[yellow]paused[/]"


def _in_chicago(time: datetime) -> str:
    return f"{time.astimezone(CHICAGO):%Y-%m-%d %H:%M %Z}"
