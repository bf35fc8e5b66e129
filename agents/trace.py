"""`run-events`, `dead-letters` → Gold: what happened to each run, and what could not be processed."""

import asyncio
from collections.abc import Sequence

from streams.records import DeadLetter, RunEvent
from streams.storage.gold import Gold


async def note(events: Sequence[RunEvent], gold: Gold) -> None:
    """Add events to the lineage of their runs."""
    await asyncio.to_thread(gold.note, events)


async def list_dead(letters: Sequence[DeadLetter], gold: Gold) -> None:
    """List dead letters in Gold."""
    await asyncio.to_thread(gold.bury, letters)
