"""`/api/schedule/create|preview|list|{id}|{id}/toggle`: what is done when, by itself."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from streams.domain.cron import CHICAGO, checked, explain, time_after
from streams.domain.schedules import ScheduleState, apply, created, next_run
from streams.publisher import Emit
from streams.records import Schedule, ScheduleChange, ScheduleId
from streams.storage.gold.client import GoldClient
from streams.storage.gold.schedules import read_schedules
from streams.topics import SCHEDULE_CHANGES
from webapp.errors import ERRORS, ApiError, ErrorEnvelope


class NewSchedule(Schedule):
    """What to do when. `cron` is minute, hour, day of month, month, day of week, on Chicago's clock.

    A backfill copies the last `days` days of crashes; streaming looks back `days` days, or to where it was; an audit
    compares the last `days` days, or everything. Times at which no worker was there are skipped (`missed: skip`), or
    one run makes up for all of them (`missed: once`).
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"schedule_id": "nightly", "cron": "0 3 * * *", "mode": "backfill", "days": 7, "missed": "once"},
                {"schedule_id": "weekly-audit", "cron": "30 4 * * SUN", "mode": "audit"},
            ]
        },
    )

    schedule_id: ScheduleId = Field(default_factory=lambda: f"api-{uuid4().hex[:12]}")


def _in_chicago(time: datetime | None) -> datetime | None:
    return time.astimezone(CHICAGO) if time else None


ChicagoTime = Annotated[AwareDatetime | None, BeforeValidator(_in_chicago)]


class Scheduled(Schedule):
    """A schedule with its next run and its last one. Times are Chicago's, with their offset."""

    says: str = Field(description="`cron` in words", examples=["At 03:00 every day"])
    paused: bool
    created_at: ChicagoTime
    last_run: ChicagoTime = Field(description="the time it last ran for; runs are named `schedule-<id>-<that time>`")
    next_run: ChicagoTime = Field(description="null while it is paused")


class Schedules(BaseModel):
    """All schedules, by id."""

    schedules: list[Scheduled]


class Times(BaseModel):
    """What a cron expression means. Times are Chicago's, with their offset."""

    cron: str = Field(description="with single blanks", examples=["0 3 * * *"])
    says: str = Field(description="in words", examples=["At 03:00 every day"])
    next_runs: list[ChicagoTime]


class Deleted(BaseModel):
    """The schedule runs no more. What it has copied stays."""

    schedule_id: str


def routes(gold: GoldClient, emit: Emit, may_write: Callable[..., None]) -> APIRouter:
    """The routes about schedules; ``may_write`` is the dependency that checks the token."""
    router = APIRouter(tags=["schedule"], responses=ERRORS)
    refused: dict[int | str, dict[str, Any]] = {code: {"model": ErrorEnvelope} for code in (401, 403)}
    writing: dict[str, Any] = {"status_code": 202, "dependencies": [Depends(may_write)]}
    unknown: dict[int | str, dict[str, Any]] = {404: {"model": ErrorEnvelope}}

    @router.post("/api/schedule/create", responses={**refused, 409: {"model": ErrorEnvelope}}, **writing)
    async def create(schedule: NewSchedule) -> Scheduled:
        """Create a schedule. It is listed as soon as a worker and Gold have heard of it: in a second or so."""
        given = "schedule_id" in schedule.model_fields_set
        if given and await _find(gold, schedule.schedule_id):
            raise ApiError(
                409,
                "exists",
                f"there is a schedule {schedule.schedule_id} already",
                field="schedule_id",
                hint="choose another one, or delete that one first",
            )
        change = ScheduleChange(schedule_id=schedule.schedule_id, change="create", schedule=schedule)
        await emit(SCHEDULE_CHANGES, change)
        return _shown(created(schedule, change.at))

    @router.get("/api/schedule/preview")
    async def preview(
        cron: Annotated[
            str,
            Query(max_length=100, description="minute hour day-of-month month day-of-week", examples=["0 3 * * *"]),
            AfterValidator(checked),
        ],
        count: Annotated[int, Query(ge=1, le=20, description="how many of the next times")] = 3,
    ) -> Times:
        """A cron expression in words, and the next times that it names."""
        times = [datetime.now(UTC)]
        for _ in range(count):
            times.append(time_after(cron, times[-1]))
        return Times(cron=cron, says=explain(cron), next_runs=times[1:])

    @router.get("/api/schedule/list")
    async def listed() -> Schedules:
        """All schedules."""
        return Schedules(schedules=[_shown(state) for state in await read_schedules(gold)])

    @router.put("/api/schedule/{schedule_id}/toggle", responses={**refused, **unknown}, **writing)
    async def toggle(schedule_id: str) -> Scheduled:
        """Pause a schedule that runs, or resume one that is paused. Times that pass meanwhile are not missed."""
        state = await _known(gold, schedule_id)
        change = ScheduleChange(schedule_id=schedule_id, change="resume" if state.paused else "pause")
        await emit(SCHEDULE_CHANGES, change)
        return _shown(apply(state, change) or state)

    @router.delete("/api/schedule/{schedule_id}", responses={**refused, **unknown}, **writing)
    async def delete(schedule_id: str) -> Deleted:
        """Delete a schedule. Its runs and what they copied stay."""
        await _known(gold, schedule_id)
        await emit(SCHEDULE_CHANGES, ScheduleChange(schedule_id=schedule_id, change="delete"))
        return Deleted(schedule_id=schedule_id)

    return router


async def _find(gold: GoldClient, schedule_id: str) -> ScheduleState | None:
    return next((state for state in await read_schedules(gold) if state.schedule_id == schedule_id), None)


async def _known(gold: GoldClient, schedule_id: str) -> ScheduleState:
    state = await _find(gold, schedule_id)
    if state is None:
        raise ApiError(
            404,
            "not-found",
            f"there is no schedule {schedule_id}",
            field="schedule_id",
            hint="GET /api/schedule/list lists them; one just created may take a second to be there",
        )
    return state


def _shown(state: ScheduleState) -> Scheduled:
    return Scheduled(
        **state.model_dump(),
        says=explain(state.cron),
        last_run=state.last_run_at,
        next_run=next_run(state, datetime.now(UTC)),
    )
