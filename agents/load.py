"""`silver-ready` → Gold: bring Gold up to the months' newest content, a batch in one transaction."""

import asyncio
from collections.abc import Sequence

from streams.records import SilverReady
from streams.storage.gold import Change, Gold
from streams.storage.silver import Silver


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
