"""The clock of the schedules: says of each one that it is due."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Never

import structlog

from streams.domain.schedules import ScheduleState, due
from streams.errors import BrokerUnavailable
from streams.publisher import Emit
from streams.records import ScheduleChange
from streams.topics import SCHEDULE_CHANGES

log = structlog.get_logger()

TICK_SECONDS: Final = 1.0


async def tick(states: Mapping[str, Any], owns: Callable[[], bool], emit: Emit, now: Callable[[], datetime]) -> Never:
    """Look through the schedules every second while this process owns them, and fire those that are due.

    It may fire a time again: after a restart, while the table is recovered, or for a moment beside the owner before.
    Whoever takes the changes runs it once.
    """
    fired: dict[str, datetime] = {}
    while True:
        for known in list(states.values()) if owns() else []:
            state = ScheduleState.model_validate(known)
            time = due(state, now())
            if time is None or fired.get(state.schedule_id) == time:
                continue
            change = ScheduleChange(schedule_id=state.schedule_id, change="fire", due=time, at=now())
            try:
                await emit(SCHEDULE_CHANGES, change)
            except BrokerUnavailable as error:
                log.warning("held", error=type(error).__name__, reason=str(error), schedule_id=state.schedule_id)
                break
            fired[state.schedule_id] = time
            log.info("fired", schedule_id=state.schedule_id, due=time.isoformat())
        await asyncio.sleep(TICK_SECONDS)
