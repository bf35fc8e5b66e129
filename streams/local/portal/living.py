"""The living city: new crashes, their people later, amendments, now and then a deletion or a publication of it all.

All of it is drawn from the seed and the simulated time, and what is still to come is kept in the portal's file:
a restart goes on where the last run stopped.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import polars as pl
from aiohttp import web

from streams.local.portal.amendments import UNHURT, Report, amend
from streams.local.portal.backlog import Act, Backlog, Entry
from streams.local.portal.datasets import DATASETS, SYSTEM_COLUMNS
from streams.local.portal.rows import Row, city_frame
from streams.local.portal.tables import Tables

AMENDMENTS_PER_CRASH = 0.06
DELETIONS_PER_CRASH = 0.004
LATE_ROWS = 0.02
REPUBLISHED_EVERY = timedelta(days=7)
_RECENT = timedelta(days=14)
_MEDIAN_REPORT_DELAY = timedelta(minutes=90)
_MEDIAN_LATENESS = timedelta(hours=30)
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
        # What was decided is written down at once and then done, so that it is decided once.
        if (decided := self._backlog.until or self.clock) < end:
            self._backlog.add(self._decide(decided, end), end)
        self._carry_out(end)
        self.clock = end
        set_clock(self._tables, end)

    def _decide(self, start: datetime, end: datetime) -> list[Entry]:
        """All that is to be published because of what happens in [start, end)."""
        chance = random.Random(f"{self._seed} {start.isoformat()}")  # noqa: S311 - nothing secret
        happened = {name: _rows(frame) for name, frame in self._happening(start, (end - start).total_seconds()).items()}
        arrived = range(len(happened["crashes"]))
        amended = sum(chance.random() < AMENDMENTS_PER_CRASH for _ in arrived)
        deleted = sum(chance.random() < DELETIONS_PER_CRASH for _ in arrived)
        reports = self._some_reports(amended + deleted, end, chance)
        return [
            *_first_reports(happened, end, chance),
            *(
                Entry(end + change.after, change.dataset, change.row)
                for report in reports[:amended]
                for change in amend(report, chance)
            ),
            *(
                Entry(end, "crashes", {"crash_record_id": report.crash["crash_record_id"]}, Act.DELETE)
                for report in reports[amended:]
            ),
            *(
                Entry(end, name, {}, Act.REPUBLISH)
                for name in DATASETS
                if chance.random() < (end - start) / REPUBLISHED_EVERY
            ),
        ]

    def _carry_out(self, at: datetime) -> None:
        due: dict[Act, list[Entry]] = {act: [] for act in Act}
        for entry in self._backlog.due(at):
            due[entry.act].append(entry)
        self._publish(due[Act.PUBLISH], at)
        deleted = [entry.row["crash_record_id"] for entry in due[Act.DELETE]]
        for name, dataset in DATASETS.items() if deleted else ():
            doomed = self._tables.rows(name, "crash_record_id", deleted, only=[dataset.key])
            self._tables.delete(name, [row[dataset.key] for row in doomed], at)
        for entry in due[Act.REPUBLISH]:
            self._tables.republish(entry.dataset, at)
        self._backlog.forget(at, deleted)

    def _publish(self, entries: Sequence[Entry], at: datetime) -> None:
        """Crashes first: their vehicles and people have the date that the crash has by now."""
        rows: dict[str, list[Row]] = {name: [] for name in DATASETS}
        for entry in entries:
            rows[entry.dataset].append(entry.row)
        for name, changed in rows.items():
            if not changed:
                continue
            if name != "crashes":
                dates = self._crash_dates([row["crash_record_id"] for row in changed])
                changed = [row | dates.get(row["crash_record_id"], {}) for row in changed]
            columns = self._tables.columns(name)
            self._tables.upsert(name, [{n: v for n, v in row.items() if n in columns} for row in changed], at)

    def _crash_dates(self, crashes: Sequence[str]) -> dict[str, Row]:
        found = self._tables.rows("crashes", "crash_record_id", crashes, only=["crash_record_id", "crash_date"])
        return {crash["crash_record_id"]: {"crash_date": crash["crash_date"]} for crash in found}

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


def _first_reports(happened: Mapping[str, list[Row]], at: datetime, chance: random.Random) -> Iterator[Entry]:
    """New crashes as first reported, now, and what follows when the report is complete, some of it late."""
    complete = {}
    for crash in happened["crashes"]:
        key = crash["crash_record_id"]
        complete[key] = at + chance.lognormvariate(0.0, 0.8) * _MEDIAN_REPORT_DELAY
        # A crash whose people are not known has no injury counts yet: null, not 0.
        yield Entry(at, "crashes", {name: value for name, value in crash.items() if not _is_outcome(name)})
        outcome = {name: value for name, value in crash.items() if _is_outcome(name)}
        yield Entry(complete[key], "crashes", {"crash_record_id": key} | outcome)
    for name in ("vehicles", "people"):
        begun = set()
        for row in happened[name]:
            key = row["crash_record_id"]
            # Not the first of a crash, and nobody hurt: the outcome stands when the report is complete.
            is_late = key in begun and row.get("injury_classification", UNHURT) == UNHURT
            is_late = is_late and chance.random() < LATE_ROWS
            begun.add(key)
            lateness = chance.lognormvariate(0.0, 0.8) * _MEDIAN_LATENESS if is_late else timedelta()
            yield Entry(complete[key] + lateness, name, row)


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
