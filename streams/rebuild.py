"""Building Silver again from Bronze, and Gold from Silver, while everything else runs on.

Neither is stopped, locked or emptied for it: a month is built beside the one in use, and put in its place only
if nobody else came first.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final, Literal

import polars as pl
import structlog

from streams.delivery import retry
from streams.domain.compare import changed_crashes
from streams.domain.merge import empty_month, flatten, merge
from streams.domain.moves import settle
from streams.domain.pages import MONTH, read_page
from streams.domain.schemas import SOURCE, TABLES, Table, published
from streams.errors import MalformedPage, ObjectExists, ObjectMissing, RequestError
from streams.publisher import Emit
from streams.records import SilverReady
from streams.storage.bronze import Archived, Bronze
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.storage.silver import Head, Silver
from streams.topics import SILVER_READY

log = structlog.get_logger()

# Rows that are merged at a time: pages of a month may be many and small.
BATCH_ROWS: Final = 50_000


@dataclass(frozen=True)
class RebuiltMonth:
    """What came of a month of Silver: `version` is the one that was written, None where all was as it should be."""

    month: str
    pages: int
    crashes_changed: int = 0
    version: int | None = None


class SilverRebuild:
    """Computes months from Bronze alone, and writes those of which Silver holds something else."""

    def __init__(self, bronze: Bronze, silver: Silver, emit: Emit, run_id: str) -> None:
        self._bronze = bronze
        self._silver = silver
        self._emit = emit
        self._run_id = run_id
        self._heads: dict[str, Head] = {}
        self._pages: dict[str, list[Archived]] = defaultdict(list)
        self._known: set[str] = set()

    async def months(self, only: str | None = None) -> list[str]:
        """The months there are to build: all that Silver or Bronze know of, or `only`.

        Heads are read before the archive is listed: what a head holds then is in the list. Raises `RequestError` when
        nobody knows of `only`.
        """
        held = await self._silver.months()
        self._heads = {month: await self._silver.head(month) for month in held if only in (None, month)}
        await self._list()
        known = sorted({*held, *self._pages})
        if only is None:
            return known
        if only not in known:
            there = f"there are: {', '.join(known)}" if known else "there is none yet"
            raise RequestError(f"neither Bronze nor Silver has the month {only}", field="month", hint=there)
        return [only]

    async def build(self, month: str) -> RebuiltMonth:
        """Compute a month, write it where it differs, and announce the month's head either way.

        A row of Silver whose page is no longer in the archive counts as archived.

        Either way, because a kill may once have come between a version and its announcement; Gold skips what it has.
        Raises `MalformedPage` naming a page of the archive that is damaged.
        """
        head = self._heads.get(month, Head(month))
        built, read = empty_month(), 0
        while True:
            pages = self._pages[month]
            built = await self._merge(built, month, pages[read:])
            read = len(pages)
            try:
                delta, version = pl.DataFrame(), None
                before = await self._silver.month(head)
                built = await asyncio.to_thread(_saved, before, built, self._known)
                if not await asyncio.to_thread(_same, before, built):
                    delta = await asyncio.to_thread(changed_crashes, before, built)
                    head = await self._silver.append(head, _page_id(pages), built, delta)
                    version = head.version
                break
            except (ObjectExists, ObjectMissing):
                # A worker came first. What it merged is in the archive by now.
                head = await self._silver.head(month)
                await self._list()
        if head.content:
            await self._emit(SILVER_READY, self._ready(head, delta.height))
        return RebuiltMonth(month, read, delta.height, version)

    async def _list(self) -> None:
        for page in await self._bronze.pages(self._known):
            self._known.add(page.key)
            for month in page.months if page.months is not None else await self._months_of(page):
                self._pages[month].append(page)

    async def _months_of(self, page: Archived) -> Sequence[str]:
        return tuple((await self._rows(page))[MONTH].unique())

    async def _merge(self, built: pl.DataFrame, month: str, pages: Sequence[Archived]) -> pl.DataFrame:
        for dataset, table in TABLES.items():
            batch = [pl.DataFrame(schema=published(table))]
            for page in pages:
                if page.dataset != dataset:
                    continue
                rows = (await self._rows(page)).filter(pl.col(MONTH) == month).drop(MONTH)
                batch.append(rows.with_columns(pl.lit(page.key).alias(SOURCE)))
                if sum(frame.height for frame in batch) >= BATCH_ROWS:
                    built = await asyncio.to_thread(_merged, built, batch, table)
                    batch = batch[:1]
            built = await asyncio.to_thread(_merged, built, batch, table)
        return built

    async def _rows(self, page: Archived) -> pl.DataFrame:
        body = await self._bronze.read(page.key)
        try:
            return (await asyncio.to_thread(read_page, body, TABLES[page.dataset])).rows
        except MalformedPage as error:
            raise MalformedPage(f"{page.key}: {error.message}", hint="restore the object from a copy") from None

    def _ready(self, head: Head, crashes: int) -> SilverReady:
        return SilverReady(
            run_id=self._run_id,
            page_id=f"rebuild/{head.month}",
            month=head.month,
            base=head.base,
            version=head.content,
            silver_key=head.key,
            delta_key=head.delta_key,
            crashes=crashes,
        )


def _merged(built: pl.DataFrame, batch: Sequence[pl.DataFrame], table: Table) -> pl.DataFrame:
    after = merge(built, pl.concat(batch), table).silver
    return built if after is None else after


def _saved(before: pl.DataFrame, built: pl.DataFrame, archived: Collection[str]) -> pl.DataFrame:
    """What was built, and the rows of `before` whose page somebody has deleted: Silver alone has them now."""
    known = pl.Series(list(archived), dtype=pl.String).implode()
    for table in TABLES.values():
        orphans = flatten(before, table).filter(pl.col(SOURCE).is_not_null() & ~pl.col(SOURCE).is_in(known))
        if not orphans.is_empty():
            built = _merged(built, [orphans], table)
    return built


def _same(before: pl.DataFrame, built: pl.DataFrame) -> bool:
    """Whether two months hold the same rows. Of two pages with the same row either may be named as its source."""
    return before.height == built.height and all(
        flatten(before, table).drop(SOURCE).equals(flatten(built, table).drop(SOURCE)) for table in TABLES.values()
    )


def _page_id(pages: Sequence[Archived]) -> str:
    """Names the version's cause, a function of what it was built from."""
    keys = sorted(page.key for page in pages)
    return f"rebuild/{sha256(chr(10).join(keys).encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class GoldProgress:
    """How far a rebuild of Gold is. `put_in` and `taken_out` count the rows that were not as they should be."""

    state: Literal["idle", "running", "done", "failed"] = "idle"
    months: int = 0
    done: int = 0
    put_in: int = 0
    taken_out: int = 0
    started_at: str | None = None
    error: str | None = None


class GoldRebuild:
    """Loads every month whole again, in the process that owns Gold; one rebuild at a time."""

    def __init__(self, silver: Silver, gold: Gold) -> None:
        self._silver = silver
        self._gold = gold
        self._task: asyncio.Task[None] | None = None
        self._progress = GoldProgress()

    def start(self) -> None:
        """Begin, unless a rebuild is under way: then whoever asks follows that one."""
        if self._progress.state != "running":
            self._progress = GoldProgress("running", started_at=datetime.now(UTC).isoformat(timespec="seconds"))
            self._task = asyncio.create_task(self._run())

    def progress(self) -> dict[str, Any]:
        """`GoldProgress` as plain JSON."""
        return asdict(self._progress)

    async def stop(self) -> None:
        """End a rebuild under way; the months that it has loaded stay."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            held = await asyncio.to_thread(self._gold.months)
            months = sorted({*held, *await retry(self._silver.months)})
            self._advance(months=len(months))
            for number, month in enumerate(months, 1):
                put_in, taken_out = await retry(partial(self._load, month))
                self._advance(
                    done=number,
                    put_in=self._progress.put_in + put_in,
                    taken_out=self._progress.taken_out + taken_out,
                )
            self._advance(state="done")
            log.info("Gold rebuilt", **self.progress())
        except Exception as error:
            log.exception("Gold not rebuilt", **self.progress())
            self._advance(state="failed", error=str(error) or type(error).__name__)

    def _advance(self, **news: Any) -> None:
        self._progress = GoldProgress(**(asdict(self._progress) | news))

    async def _load(self, month: str) -> tuple[int, int]:
        """Rows put in and taken out. What Gold holds is asked before what Silver has: it is then never ahead."""
        put_in = taken_out = 0
        while True:
            held = (await asyncio.to_thread(self._gold.applied)).get(month, 0)
            head = await self._silver.head(month)
            try:
                rows = await self._settled(head)
            except ObjectMissing:  # expired since: there is a newer one
                continue
            change = Change(month, head.content, rows)
            replaced = await asyncio.to_thread(self._gold.replace, change, instead_of=held)
            if replaced is None:
                continue
            put_in, taken_out = put_in + replaced[0], taken_out + replaced[1]
            # Where Gold claimed a version that Silver does not have (yet), it may have skipped one meanwhile.
            if held <= head.content:
                return put_in, taken_out

    async def _settled(self, head: Head) -> pl.DataFrame:
        """The month without the rows that are another month's by now."""
        rows = await self._silver.month(head)
        elsewhere = await asyncio.to_thread(self._gold.elsewhere, {head.month: rows})
        others = {month: await self._silver.month(await self._silver.head(month)) for month in sorted(elsewhere)}
        settled, _ = await asyncio.to_thread(settle, {head.month: rows}, others)
        return settled[head.month]
