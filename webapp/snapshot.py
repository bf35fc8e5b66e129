"""What the home page shows, as of a moment ago: asked for once, however many pages are open."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from monitoring.health import Check, Health
from streams.cached import Cached
from streams.errors import GoldError
from streams.storage.gold.client import GoldClient
from webapp.queries import rows

KEEP_SECONDS: Final = 2.0
LAST_RUNS: Final = 6


@dataclass(frozen=True)
class GoldView:
    """What Gold says; `days` and `runs` are empty where there is nothing yet, `stages` lacks those that did nothing."""

    totals: dict[str, Any]
    flow: dict[str, Any]
    days: list[dict[str, Any]]
    runs: list[dict[str, Any]]
    stages: dict[str, dict[str, Any]]
    attention: dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """Health of all parts, and Gold's view or the reason why there is none."""

    checks: tuple[Check, ...]
    gold: GoldView | GoldError


class Snapshots:
    """Takes snapshots, and keeps each for `KEEP_SECONDS`."""

    def __init__(self, gold: GoldClient, health: Health) -> None:
        self._gold = gold
        self._health = health
        self._cached = Cached(self._take, lambda _: KEEP_SECONDS)

    async def latest(self) -> Snapshot:
        """A snapshot that is at most `KEEP_SECONDS` old."""
        return await self._cached()

    async def _take(self) -> Snapshot:
        checks, view = await asyncio.gather(self._health.checks(), self._view())
        return Snapshot(checks, view)

    async def _view(self) -> GoldView | GoldError:
        try:
            totals, flow, days, runs, stages, matters = await asyncio.gather(
                rows(self._gold, "totals"),
                rows(self._gold, "flow"),
                rows(self._gold, "crashes_per_day"),
                rows(self._gold, "last_runs", limit=LAST_RUNS),
                rows(self._gold, "stages"),
                rows(self._gold, "attention"),
            )
        except GoldError as error:
            return error
        by_stage = {stage["stage"]: stage for stage in stages if stage["last_at"]}
        return GoldView(totals[0], flow[0], days, runs, by_stage, matters[0])
