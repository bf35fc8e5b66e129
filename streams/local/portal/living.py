"""The living city: new crashes, their people later, amendments, now and then a deletion.

All of it is drawn from the seed and the simulated time, and what is still to come is kept in the portal's file:
a restart goes on where the last run stopped.
"""

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import polars as pl
from aiohttp import web

from streams.local.portal.amendments import Report, amend
from streams.local.portal.backlog import Backlog
from streams.local.portal.datasets import DATASETS, SYSTEM_COLUMNS
from streams.local.portal.rows import Row, city_frame
from streams.local.portal.tables import Tables

AMENDMENTS_PER_CRASH = 0.06
DELETIONS_PER_CRASH = 0.004
_RECENT = timedelta(days=14)
_MEDIAN_REPORT_DELAY = timedelta(minutes=90)
_CLOCK = "clock"
_SHORTEST_STEP = timedelta(minutes=1)

_log = logging.getLogger(__name__)

Happening = Callable[[datetime, float], dict[str, pl.DataFrame]]


class Life:
    """What happens to the tables as simulated time passes.

    ``happening(moment, seconds)`` gives the new crashes of a span, with their vehicles and people. ``clock`` is the
    simulated time; it is also that of the rows' `:updated_at`.
    """

    def __init__(self, tables: Tables, happening: Happening, seed: int) -> None:
        self._tables = tables
        self._backlog = Backlog(tables)
        self._happening = happening
        self._seed = seed
        self.clock = datetime.fromisoformat(tables.fact(_CLOCK) or "")
        tables.clock = lambda: self.clock

    def step(self, span: timedelta) -> None:
        """Let ``span`` pass. Blocks. A step that was killed in the middle is done again, with the same result."""
        end = self.clock + span
        chance = random.Random(f"{self._seed} {self.clock.isoformat()}")  # noqa: S311 - nothing secret
        self._publish_due(end)
        arrived = range(self._publish_new(span.total_seconds(), end, chance))
        amended = sum(chance.random() < AMENDMENTS_PER_CRASH for _ in arrived)
        deleted = sum(chance.random() < DELETIONS_PER_CRASH for _ in arrived)
        reports = self._some_reports(amended + deleted, end, chance)
        self._amend(reports[:amended], end, chance)
        self._delete(reports[amended:], end)
        self.clock = end
        set_clock(self._tables, end)

    def _publish_new(self, seconds: float, at: datetime, chance: random.Random) -> int:
        """Publish crashes as first reported, and put off what follows when the report is complete."""
        happened = {name: _rows(frame) for name, frame in self._happening(self.clock, seconds).items()}
        complete = {
            crash["crash_record_id"]: at + chance.lognormvariate(0.0, 0.8) * _MEDIAN_REPORT_DELAY
            for crash in happened["crashes"]
        }
        # A crash whose people are not known has no injury counts yet: null, not 0.
        outcomes = [
            {name: value for name, value in crash.items() if _is_outcome(name) or name == "crash_record_id"}
            for crash in happened["crashes"]
        ]
        late = {"vehicles": happened["vehicles"], "people": happened["people"], "crashes": outcomes}
        self._backlog.add((complete[row["crash_record_id"]], name, row) for name, rows in late.items() for row in rows)
        first = [
            {name: value for name, value in crash.items() if not _is_outcome(name)} for crash in happened["crashes"]
        ]
        if first:
            self._tables.upsert("crashes", first, at)
        return len(first)

    def _publish_due(self, at: datetime) -> None:
        for name, rows in self._backlog.due(at).items():
            self._tables.upsert(name, rows, at)
        self._backlog.forget(at)

    def _amend(self, reports: Sequence[Report], at: datetime, chance: random.Random) -> None:
        changes: dict[str, list[Row]] = defaultdict(list)
        for report in reports:
            for name, rows in amend(report, chance).items():
                changes[name].extend(rows)
        for name, rows in changes.items():
            self._tables.upsert(name, rows, at)

    def _delete(self, reports: Sequence[Report], at: datetime) -> None:
        for name in DATASETS if reports else ():
            key = DATASETS[name].key
            self._tables.delete(name, [row[key] for report in reports for row in getattr(report, name)], at)

    def _some_reports(self, count: int, at: datetime, chance: random.Random) -> list[Report]:
        """That many complete reports of the last days, or as many as there are."""
        if count == 0:
            return []
        since = (at - _RECENT).astimezone(UTC).strftime("%Y-%m-%d")
        sql = """SELECT crash_record_id FROM crashes
                 WHERE crash_date >= ? AND injuries_total IS NOT NULL ORDER BY crash_record_id"""
        recent = [key for (key,) in self._tables.cursor().execute(sql, [since]).fetchall()]
        keys = chance.sample(recent, min(count, len(recent)))
        found: dict[str, Report] = {key: Report([], [], []) for key in keys}
        for name in DATASETS:
            key = DATASETS[name].key
            for row in sorted(self._tables.rows(name, "crash_record_id", keys), key=lambda row: str(row[key])):
                getattr(found[row["crash_record_id"]], name).append(row)
        return list(found.values())


def set_clock(tables: Tables, moment: datetime) -> None:
    """Note the simulated time (UTC) up to which the tables have lived."""
    tables.note(_CLOCK, moment.isoformat())


def live(life: Life, speed: float) -> Callable[[web.Application], AsyncIterator[None]]:
    """The life as a part of the application: ``speed`` simulated seconds pass in a real one."""

    async def running(_: web.Application) -> AsyncIterator[None]:
        stopped = asyncio.Event()
        task = asyncio.create_task(_run(life, speed, stopped))
        yield
        stopped.set()
        await task

    return running


async def _run(life: Life, speed: float, stopped: asyncio.Event) -> None:
    # One step a simulated minute, or two a second where minutes pass faster than that.
    span = max(_SHORTEST_STEP, timedelta(seconds=speed / 2))
    loop = asyncio.get_running_loop()
    due = loop.time()
    while not stopped.is_set():
        due = max(due + span.total_seconds() / speed, loop.time())
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), due - loop.time())
        if not stopped.is_set():
            try:
                await asyncio.to_thread(life.step, span)
            except Exception:
                _log.exception("the city stood still at %s", life.clock)


def _is_outcome(column: str) -> bool:
    return column.startswith("injuries_") or column == "most_severe_injury"


def _rows(frame: pl.DataFrame) -> list[Row]:
    """Rows without nulls and without system columns, which the portal assigns."""
    published = city_frame(frame).drop(SYSTEM_COLUMNS, strict=False)
    return [{name: value for name, value in row.items() if value is not None} for row in published.to_dicts()]
