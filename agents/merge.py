"""`bronze-written` → Silver, `silver-ready`: merge a page's rows of one crash month into that month."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import polars as pl
import structlog

from streams.domain.merge import Merge
from streams.domain.merge import merge as merge_rows
from streams.domain.pages import MONTH, read_page
from streams.domain.schemas import SOURCE, TABLES
from streams.errors import ObjectExists, ObjectMissing
from streams.publisher import Emit
from streams.records import BronzeWritten, Merged, RunEvent, SilverReady
from streams.storage.bronze import Bronze
from streams.storage.silver import Head, Silver
from streams.tables import MonthState
from streams.topics import RUN_EVENTS, SILVER_READY

log = structlog.get_logger()


async def merge(
    written: BronzeWritten, states: MutableMapping[str, Any], bronze: Bronze, silver: Silver, emit: Emit
) -> None:
    """Merge a page into its month.

    The version is in the store, and Gold told of it, before the state names it: a kill at any point leads to the
    same version again, or to one that the store already has.
    """
    state = MonthState.from_table(written.month, states.get(written.month))
    rows = 0
    changed = 0
    if written.bronze_key not in state.pages:
        page = await _page(written, bronze)
        rows = page.height
        head, merged, recovered = await _append(written, page, state.head, silver)
        changed = merged.delta.height
        if head.content and (recovered or changed):
            ready = SilverReady(
                run_id=written.run_id,
                page_id=written.page_id,
                month=written.month,
                base=head.base,
                version=head.content,
                silver_key=head.key,
                delta_key=head.delta_key,
                crashes=changed,
            )
            await emit(SILVER_READY, ready)
        log.info("merged", version=head.version, rows=rows, crashes_changed=changed)
        state = await asyncio.to_thread(state.after, head, written.bronze_key, merged.silver)
    done = Merged(
        page_id=written.page_id,
        month=written.month,
        version=state.head.content,
        rows=rows,
        crashes_changed=changed,
    )
    await emit(RUN_EVENTS, RunEvent(run_id=written.run_id, event=done))
    states[written.month] = state.to_table()


async def _page(written: BronzeWritten, bronze: Bronze) -> pl.DataFrame:
    body = await bronze.read(written.bronze_key)
    page = await asyncio.to_thread(read_page, body, TABLES[written.dataset])
    return page.rows.filter(pl.col(MONTH) == written.month).with_columns(pl.lit(written.bronze_key).alias(SOURCE))


async def _append(written: BronzeWritten, page: pl.DataFrame, head: Head, silver: Silver) -> tuple[Head, Merge, bool]:
    """The head after the page, what the page did, and whether the table's head was not the store's."""
    recovered = False
    while True:
        try:
            month = await silver.month(head)
            merged = await asyncio.to_thread(merge_rows, month, page, TABLES[written.dataset])
            if merged.silver is None:
                return head, merged, recovered
            return await silver.append(head, written.page_id, merged.silver, merged.delta), merged, recovered
        except (ObjectExists, ObjectMissing):
            # Another worker went on from here, or a kill came between the store and the table.
            newest = await silver.head(written.month)
            log.info("table behind store", month=written.month, table=head.version, store=newest.version)
            head, recovered = newest, True
