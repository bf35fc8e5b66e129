"""`silver-ready` → Gold: bring Gold up to the months' newest content, a batch in one transaction."""

import asyncio
from collections.abc import Sequence

from streams.records import SilverReady
from streams.storage.gold import Change, Gold
from streams.storage.silver import Silver


async def catch_up(silver: Silver, gold: Gold) -> int:
    """Bring Gold up to every month's head, whatever was announced; returns how many months were behind.

    An empty Gold is rebuilt by this, month by month: what it holds at a time is one month.
    """
    applied = await asyncio.to_thread(gold.applied)
    behind = 0
    for month in await silver.months():
        head = await silver.head(month)
        if head.content > applied.get(month, 0):
            change = Change(month, head.content, await silver.month(head))
            await asyncio.to_thread(gold.load, [change])
            behind += 1
    return behind


async def load(ready: Sequence[SilverReady], silver: Silver, gold: Gold) -> None:
    """Load what Gold does not have yet; what it has costs nothing."""
    applied = await asyncio.to_thread(gold.applied)
    changes = []
    for event in ready:
        have = applied.get(event.month, 0)
        if event.version <= have:
            continue
        # A delta carries Gold from `base` on; where Gold is behind that, only the whole month will do.
        key = event.delta_key if event.base <= have else event.silver_key
        changes.append(Change(event.month, event.version, await silver.read(key)))
        applied[event.month] = event.version
    if changes:
        await asyncio.to_thread(gold.load, changes)
