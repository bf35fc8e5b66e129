"""Gold → `scores` → `crashes-scored`: what the serving models say of every crash, of those that changed first."""

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Never

import polars as pl
import structlog

from models.scorer import Scorer
from streams.delivery import retry
from streams.publisher import Emit
from streams.records import UNDATED, CrashesScored, Target
from streams.storage.gold.gold import Gold
from streams.topics import CRASHES_SCORED

log = structlog.get_logger()

# Crashes scored at a time: who has just changed waits for one slice of the others at most.
SLICE: Final = 4_000
# Crashes whose ids are remembered. Those beyond are found by looking, as are all after a restart.
MOST_REMEMBERED: Final = 100_000
# How often Gold is looked through for crashes without a score, whatever is heard.
LOOK_SECONDS: Final = 60.0
# The same while there are some. They are listed so many at a time.
AGAIN_SECONDS: Final = 1.0
AT_A_LOOK: Final = 50_000
# Scores of crashes this long before the newest one come with contributions, those of older ones when somebody asks.
EXPLAINED_DAYS: Final = 90
# A crash dated in the future by mistake does not count.
NEWEST: Final = "select max(crash_date) as newest from crashes where crash_date <= now()::timestamp + interval 1 day"


async def score(
    crash_ids: pl.Series, gold: Gold, scorer: Scorer, emit: Emit, targets: Collection[Target] | None = None
) -> int:
    """Score these crashes with the serving models, or with those of `targets`; returns how many scores were kept.

    A crash that changes meanwhile keeps none: it is scored again for that change.
    """
    frames = await asyncio.to_thread(gold.to_score, crash_ids)
    if frames.crashes.is_empty():
        return 0
    since = await asyncio.to_thread(_explain_since, gold)
    kept = await asyncio.to_thread(gold.score, await scorer.score(frames, targets, since))
    for event in _events(kept, frames.crashes):
        await emit(CRASHES_SCORED, event)
    return kept.height


def _explain_since(gold: Gold) -> datetime:
    (row,) = gold.query(NEWEST).table.to_pylist()
    return row["newest"] - timedelta(days=EXPLAINED_DAYS) if row["newest"] else datetime.min


def _events(kept: pl.DataFrame, crashes: pl.DataFrame) -> list[CrashesScored]:
    month = pl.col("crash_date").dt.strftime("%Y-%m").fill_null(UNDATED)
    dated = kept.join(crashes.select("crash_record_id", month=month), on="crash_record_id")
    counts = dated.group_by("month", "target", "model_version").agg(crashes=pl.len())
    return [CrashesScored(**row) for row in counts.sort("month", "target", descending=True).to_dicts()]


class Scoring:
    """Scores crashes for as long as the process runs: what has just changed, and between that whatever lacks a score.

    What lacks one is asked of Gold: at the start, after a promotion, and now and then. So a kill loses nothing, and
    history is scored again by the model that comes to serve, the newest crashes first.
    """

    def __init__(self, gold: Gold, scorer: Scorer, emit: Emit) -> None:
        self._gold = gold
        self._scorer = scorer
        self._emit = emit
        self._changed = pl.Series(dtype=pl.String)
        self._behind: deque[tuple[Target, pl.Series]] = deque()
        self._look_at = 0.0
        self._news = asyncio.Event()

    def changed(self, crash_ids: pl.Series) -> None:
        """Gold holds something else of these crashes than before."""
        if len(self._changed) + len(crash_ids) <= MOST_REMEMBERED:
            self._changed = pl.concat([self._changed, crash_ids])
            self._news.set()
        else:
            self.look()

    def look(self) -> None:
        """Look through Gold as soon as possible: other models serve than before, or more has changed than is known."""
        self._behind.clear()
        self._look_at = 0.0
        self._news.set()

    async def run(self) -> Never:
        """Score whatever there is to score. What fails is left for the next look through Gold."""
        now = asyncio.get_running_loop().time
        while True:
            self._news.clear()
            try:
                if await self._step(now()):
                    continue
            except Exception:
                log.exception("crashes not scored")
                self._behind.clear()
                self._look_at = now() + LOOK_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._look_at):
                    await self._news.wait()

    async def _step(self, now: float) -> bool:
        """Score one slice; returns whether there may be more."""
        if not self._scorer.models:
            self._changed, self._look_at = self._changed.clear(), now + LOOK_SECONDS
            return False
        if not self._changed.is_empty():
            crash_ids, self._changed = self._changed.head(SLICE), self._changed.slice(SLICE)
            await self._score(crash_ids.unique())
            return True
        if not self._behind and now >= self._look_at:
            await self._find()
        if not self._behind:
            return False
        target, crash_ids = self._behind.popleft()
        await self._score(crash_ids, [target])
        return True

    async def _find(self) -> None:
        """Slices of crashes that lack a score."""
        found = 0
        for target, model in self._scorer.models.items():
            lacking = await asyncio.to_thread(self._gold.unscored, target, model.version, AT_A_LOOK)
            found += lacking.height
            self._behind.extend((target, part["crash_record_id"]) for part in lacking.iter_slices(SLICE))
        self._look_at = asyncio.get_running_loop().time() + (AGAIN_SECONDS if found else LOOK_SECONDS)

    async def _score(self, crash_ids: pl.Series, targets: Collection[Target] | None = None) -> None:
        await retry(partial(score, crash_ids, self._gold, self._scorer, self._emit, targets))
