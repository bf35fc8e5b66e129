"""`run-events`, `dead-letters`, `schedule-changes`, `train-…`, `model-measured` → Gold: what is and what is to be."""

import asyncio
from collections.abc import Sequence

from streams.records import DeadLetter, ModelMeasured, RunEvent, ScheduleChange, TrainEvent, TrainRequest
from streams.storage.gold.gold import Gold


async def note(events: Sequence[RunEvent], gold: Gold) -> None:
    """Add events to the lineage of their runs."""
    await asyncio.to_thread(gold.note, events)


async def list_dead(letters: Sequence[DeadLetter], gold: Gold) -> None:
    """List dead letters in Gold."""
    await asyncio.to_thread(gold.bury, letters)


async def list_schedules(changes: Sequence[ScheduleChange], gold: Gold) -> None:
    """Keep the list of schedules in Gold."""
    await asyncio.to_thread(gold.reschedule, changes)


async def list_requests(requests: Sequence[TrainRequest], gold: Gold) -> None:
    """List trainings that are asked for."""
    await asyncio.to_thread(gold.ask_training, requests)


async def list_trainings(events: Sequence[TrainEvent], gold: Gold) -> None:
    """Keep how trainings stand."""
    await asyncio.to_thread(gold.note_training, events)


async def list_measures(events: Sequence[ModelMeasured], gold: Gold) -> None:
    """Keep how models fare."""
    await asyncio.to_thread(gold.measure, events)
