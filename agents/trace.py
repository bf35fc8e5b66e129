"""`run-events`, `dead-letters`, `schedule-changes` → Gold: what happened, what could not be, what is planned."""

import asyncio
from collections.abc import Sequence

from streams.records import DeadLetter, RunEvent, ScheduleChange
from streams.storage.gold import Gold


async def note(events: Sequence[RunEvent], gold: Gold) -> None:
    """Add events to the lineage of their runs."""
    await asyncio.to_thread(gold.note, events)


async def list_dead(letters: Sequence[DeadLetter], gold: Gold) -> None:
    """List dead letters in Gold."""
    await asyncio.to_thread(gold.bury, letters)


async def list_schedules(changes: Sequence[ScheduleChange], gold: Gold) -> None:
    """Keep the list of schedules in Gold."""
    await asyncio.to_thread(gold.reschedule, changes)
