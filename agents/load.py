"""`silver-ready` → Gold: bring Gold up to the months' newest content, a batch in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from streams.domain.moves import Departure, settle
from streams.errors import ObjectMissing
from streams.publisher import Emit
from streams.records import BronzeWritten, SilverReady
from streams.storage.bronze import Bronze
from streams.storage.gold.gold import Gold, Loaded
from streams.storage.gold.upsert import Change
from streams.storage.silver import Silver
from streams.topics import BRONZE_WRITTEN

CATCH_UP = "catch-up"


async def catch_up(silver: Silver, gold: Gold, bronze: Bronze, emit: Emit) -> int:
    """Bring Gold up to every month's head, whatever was announced; returns how many months were behind.

    An empty Gold is rebuilt by this, month by month: what it holds at a time is one month.
    """
    applied = await asyncio.to_thread(gold.applied)
    behind = 0
    for month in await silver.months():
        head = await silver.head(month)
        if head.content > applied.get(month, 0):
            change = Change(month, head.content, await silver.month(head), whole=True)
            await _load([change], {month: CATCH_UP}, silver, gold, bronze, emit)
            behind += 1
    return behind


async def load(ready: Sequence[SilverReady], silver: Silver, gold: Gold, bronze: Bronze, emit: Emit) -> pl.Series:
    """Load what Gold does not have yet, and what it has costs nothing; returns the ids of the crashes it touched."""
    applied = await asyncio.to_thread(gold.applied)
    changes = []
    for event in ready:
        have = applied.get(event.month, 0)
        if event.version <= have:
            continue
        change = await _change(event, have, silver)
        changes.append(change)
        applied[event.month] = change.version
    loaded = Loaded()
    if changes:
        loaded = await _load(changes, {event.month: event.run_id for event in ready}, silver, gold, bronze, emit)
    return loaded.rows.touched


async def _change(event: SilverReady, have: int, silver: Silver) -> Change:
    # A delta carries Gold from `base` on; where Gold is behind that, only the whole month will do.
    whole = event.base > have
    try:
        rows = await silver.read(event.silver_key if whole else event.delta_key)
        return Change(event.month, event.version, rows, whole, 0 if whole else event.base)
    except ObjectMissing:
        # The version has expired meanwhile: there is a newer one.
        head = await silver.head(event.month)
        return Change(event.month, head.content, await silver.month(head), whole=True)


async def _load(
    changes: Sequence[Change], runs: dict[str, str], silver: Silver, gold: Gold, bronze: Bronze, emit: Emit
) -> Loaded:
    """Load `changes`, without rows that are another month's by now. `runs` names each month's run.

    The losing months are told first: told again after a kill, they lose nothing twice.
    """
    latest = _latest(changes)
    elsewhere = await asyncio.to_thread(gold.elsewhere, {month: change.silver for month, change in latest.items()})
    others = {month: await silver.month(await silver.head(month)) for month in sorted(elsewhere)}
    settled, departures = await asyncio.to_thread(
        settle, {month: change.silver for month, change in latest.items()}, others
    )
    run_id = next(iter(runs.values()))
    for departure in departures:
        await emit(BRONZE_WRITTEN, await _tell(departure, runs.get(departure.month, run_id), bronze))
    return await asyncio.to_thread(
        gold.load, [replace(change, silver=settled[month]) for month, change in latest.items()]
    )


def _latest(changes: Sequence[Change]) -> dict[str, Change]:
    """One change a month: what its last version says of each crash."""
    latest: dict[str, Change] = {}
    for change in sorted(changes, key=lambda change: change.version):
        before = latest.get(change.month)
        if before is None or change.whole:
            latest[change.month] = change
        else:
            both = pl.concat([before.silver, change.silver]).unique("crash_record_id", keep="last")
            latest[change.month] = replace(change, silver=both, whole=before.whole, base=before.base)
    return latest


async def _tell(departure: Departure, run_id: str, bronze: Bronze) -> BronzeWritten:
    key = await bronze.keep("moved", departure.dataset, [_stated(row) for row in departure.rows.to_dicts()])
    return BronzeWritten(
        run_id=run_id,
        page_id=f"moved/{departure.dataset}/{departure.month}",
        dataset=departure.dataset,
        bronze_key=key,
        month=departure.month,
    )


def _stated(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
