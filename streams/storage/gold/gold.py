"""The owner of the Gold database: one process, one writer, any number of readers.

DuckDB lets one process open a file for writing, and then no other may even read it. So one process owns it and
everyone else asks that one: a reader can never lock the writer out.
"""

# ruff: noqa: S608 -- the names put into SQL here are those of our own tables

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self, TypeVar

import duckdb
import polars as pl

from streams.domain.clean import GoldFrames
from streams.errors import GoldBusy, GoldError, SettingError
from streams.records import (
    DeadLetter,
    ForecastReady,
    ModelMeasured,
    RunEvent,
    ScheduleChange,
    TrainEvent,
    TrainRequest,
)
from streams.storage.gold import facets, forecasts, jobs, lineage, measures, replace, schedules, scores, whereabouts
from streams.storage.gold.answer import Answer
from streams.storage.gold.guard import first_line
from streams.storage.gold.readers import Readers
from streams.storage.gold.tables import FROM_SILVER, NAMES, create_tables
from streams.storage.gold.upsert import Change, Upserted, upsert

T = TypeVar("T")

MOST_ROWS: Final = 1_000_000
# On disk, for queries and loads that need more than the memory.
_SPILL: Final = "8GB"
_MOST_LOG: Final = 64 * 1024 * 1024
# Seconds that readers under way have before a checkpoint stops them: about what one query may take.
_PATIENCE: Final = 10.0

# Failures of the engine, not of what it was asked for.
_ENGINE: Final = (
    duckdb.ConnectionException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.TransactionException,
)

_REBUILD: Final = "move the file away and start `crash-stream gold`: it is built again from Silver"


@dataclass(frozen=True)
class Loaded:
    """What a batch did: rows by table, and the months it brought on with their versions; `skipped` were old."""

    rows: Upserted = field(default_factory=Upserted)
    months: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0


@dataclass(frozen=True)
class Status:
    """Gold in numbers. `data_through` is the latest crash's time, local; `version` counts the commits."""

    rows: Mapping[str, int]
    months: int
    data_through: datetime | None
    file_bytes: int
    version: int


class Gold:
    """The tables. Every method may be called from any thread; writes queue up, reads do not."""

    def __init__(self, path: Path, memory: str, threads: int) -> None:
        self._path = path
        self._log = path.with_name(path.name + ".wal")
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory,
            "threads": threads,
            "max_temp_directory_size": _SPILL,
            # Of so many keys or rows that are looked for, a scan leaves out all others before it reads wide columns.
            "dynamic_or_filter_threshold": 1_000,
            # A reader's SQL reaches no file, no network, no extension, no Python variable and no setting.
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
        self._writing = threading.Lock()
        # Crashes that are being scored, without those that a load has touched meanwhile.
        self._unchanged = pl.Series(dtype=pl.String)
        self._database = self._connect()
        self._readers = Readers(lambda: self._database.cursor())

    @classmethod
    def open(cls, path: Path, *, memory: str = "1GB", threads: int = 2) -> Self:
        """Open the database, and create it or a table where there is none.

        Raises `GoldBusy` naming the process that has it, `SettingError` when the place cannot be written, and
        `GoldError` when the file is damaged.
        """
        try:
            # Where the engine spills to; one that it made itself it would remove under the feet of a query.
            path.with_name(path.name + ".tmp").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(path, error.strerror or str(error)) from None
        return cls(path, memory, threads)

    def applied(self) -> dict[str, int]:
        """The content version of each month that Gold holds."""
        with self._readers.cursor() as cursor:
            return _applied(cursor)

    def elsewhere(self, months: Mapping[str, pl.DataFrame]) -> set[str]:
        """Months of Gold that hold rows of the same keys as these months' Silver frames, other than under them."""
        with self._readers.cursor() as cursor:
            return whereabouts.elsewhere(cursor, months)

    def load(self, changes: Sequence[Change], *, now: datetime | None = None) -> Loaded:
        """Bring months on, all in one transaction; what Gold already holds is skipped.

        `now` is the time of the load, for lineage. Raises `GoldBusy` when Gold was wiped since a change was made out:
        what goes on from rows that are no more would be half a month.
        """
        at = lineage.utc(now or datetime.now(UTC))
        if not _fresh(changes, self.applied()):
            return Loaded(skipped=len(changes))

        def write(cursor: duckdb.DuckDBPyConnection) -> Loaded:
            # Looked at again: a rebuild or a wipe may have come in between.
            applied = _applied(cursor)
            fresh = _fresh(changes, applied)
            if not fresh:
                return Loaded(skipped=len(changes))
            if any(change.base > applied.get(change.month, 0) for change in fresh):
                raise GoldBusy("Gold was wiped in the middle of a load", hint="it is loaded again, month by month")
            months = {month: max(c.version for c in fresh if c.month == month) for month in {c.month for c in fresh}}
            rows = upsert(cursor, fresh)
            self._unchanged = self._unchanged.filter(~self._unchanged.is_in(rows.touched.implode()))
            _apply(cursor, months, at)
            return Loaded(rows, months, len(changes) - len(fresh))

        return self._write(write)

    def months(self) -> set[str]:
        """The months that Gold holds rows of, or says that it holds."""
        with self._readers.cursor() as cursor:
            return replace.months(cursor)

    def replace(self, change: Change, *, instead_of: int, now: datetime | None = None) -> tuple[int, int] | None:
        """Put a whole month in the place of all that Gold holds under it; returns the rows put in and taken out.

        Only if the version it holds is still `instead_of`; None if that has changed meanwhile.
        """
        at = lineage.utc(now or datetime.now(UTC))

        def write(cursor: duckdb.DuckDBPyConnection) -> tuple[int, int] | None:
            if _applied(cursor).get(change.month, 0) != instead_of:
                return None
            rows = replace.replace(cursor, change)
            self._unchanged = self._unchanged.clear()
            _apply(cursor, {change.month: change.version}, at)
            return rows

        return self._write(write)

    def wipe(self) -> dict[str, int]:
        """Take out every crash, vehicle, person and score; returns how many rows there were, by table.

        Gold then holds no version of any month, so that whatever is loaded next is a whole month. What cannot be had
        again from Silver stays: runs, dead letters, audits, schedules, trainings, forecasts, measurements.
        """

        def write(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
            gone = {table: int(cursor.execute(f"delete from {table}").fetchall()[0][0]) for table in FROM_SILVER}
            facets.clear(cursor)
            self._unchanged = self._unchanged.clear()
            return gone

        return self._write(write)

    def unscored(self, target: str, version: str, limit: int) -> pl.DataFrame:
        """`crash_record_id` and `crash_date` of up to `limit` crashes that `version` has not scored, newest first."""
        with self._reading() as cursor:
            return scores.unscored(cursor, target, version, limit)

    def to_score(self, crash_ids: pl.Series) -> GoldFrames:
        """All that Gold holds of these crashes, as of one moment. One caller at a time: `score` is its other half."""
        # Not in the middle of a load: this one either sees it, or is told of it.
        with self._writing:
            self._unchanged = crash_ids
        with self._reading() as cursor:
            return scores.rows(cursor, crash_ids)

    def score(self, frame: pl.DataFrame, *, now: datetime | None = None) -> pl.DataFrame:
        """Keep scores (schema `scores.SCHEMA`) of crashes read by `to_score`; returns those that were kept.

        Those of crashes that a load has touched since are not: they are of rows that are no more.
        """
        at = lineage.utc(now or datetime.now(UTC))

        def write(cursor: duckdb.DuckDBPyConnection) -> pl.DataFrame:
            kept = frame.filter(pl.col("crash_record_id").is_in(self._unchanged.implode()))
            scores.write(cursor, kept.with_columns(scored_at=pl.lit(at)))
            return kept

        return self._write(write)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that sees one state of the tables. Raises `GoldBusy` when the writer needs the engine for itself."""
        with self._readers.cursor() as cursor:
            try:
                cursor.execute("begin transaction read only")
                yield cursor
            except (duckdb.InterruptException, *_ENGINE) as error:
                raise GoldBusy(f"Gold cannot read: {first_line(error)}", hint="it is tried again") from None

    def note(self, events: Sequence[RunEvent]) -> None:
        """Take down what happened in runs. An event may come twice, and in any order."""
        if events:
            self._write(lambda cursor: lineage.write_events(cursor, events))

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep dead letters, each once."""
        if letters:
            self._write(lambda cursor: lineage.write_dead_letters(cursor, letters))

    def reschedule(self, changes: Sequence[ScheduleChange]) -> None:
        """Bring the schedules up to date with changes, which are in the order of their topic."""
        if changes:
            self._write(lambda cursor: schedules.write_changes(cursor, changes))

    def ask_training(self, requests: Sequence[TrainRequest]) -> None:
        """List trainings that are asked for."""
        if requests:
            self._write(lambda cursor: jobs.write_requests(cursor, requests))

    def note_training(self, events: Sequence[TrainEvent]) -> None:
        """Keep how trainings stand. An event may come twice, and in any order."""
        if events:
            self._write(lambda cursor: jobs.write_events(cursor, events))

    def measure(self, events: Sequence[ModelMeasured]) -> None:
        """Keep how models fare. An event may come twice, and in any order."""
        if events:
            self._write(lambda cursor: measures.write(cursor, events))

    def forecast(self, rows: pl.DataFrame, backtests: pl.DataFrame, ready: ForecastReady) -> None:
        """Put a forecast in the place of the one before it; one that is older than that changes nothing."""
        self._write(lambda cursor: forecasts.replace(cursor, rows, backtests, ready))

    def query(
        self,
        sql: str,
        *,
        limit: int = 10_000,
        seconds: float = 10.0,
        parameters: Mapping[str, object] | None = None,
    ) -> Answer:
        """The first `limit` rows of a single read; `parameters` are its `$name`s.

        Raises `QueryRefused` or `QueryLimit`; neither harms the writer.
        """
        return self._readers.run(sql, limit=limit, seconds=seconds, parameters=parameters)

    def status(self) -> Status:
        """Rows by table, how far the data goes, and the size on disk."""
        counts = ", ".join(f"(select count(*) from {name}) as {name}" for name in NAMES)
        with self._readers.cursor() as cursor:
            cursor.execute(f"select {counts}, (select max(crash_date) from crashes), (select version from clock)")
            *rows, through, version = cursor.fetchall()[0]
        by_table = dict(zip(NAMES, rows, strict=True))
        return Status(by_table, by_table["applied"], through, _bytes(self._path) + _bytes(self._log), version)

    def close(self) -> None:
        """Write everything down and let go of the file. Queries under way are stopped."""
        with self._writing, self._readers.away():
            self._database.close()

    def _write(self, write: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run `write` in a transaction; nothing of it stays when it fails."""
        with self._writing:
            try:
                return self._commit(write)
            except _ENGINE:
                # Out of memory, which readers share, or of disk; or in a state that only reading the file anew
                # puts right. Once more, then, with nobody else there.
                with self._readers.away():
                    return self._commit_anew(write)
            except duckdb.Error as error:
                raise GoldError(f"Gold cannot write: {first_line(error)}") from error
            finally:
                self._checkpoint()

    def _commit_anew(self, write: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        self._database.close()
        self._database = self._connect()
        try:
            return self._commit(write)
        except duckdb.Error as error:
            raise GoldBusy(
                f"Gold cannot write: {first_line(error)}", hint="it needs memory or disk; it is tried again"
            ) from error

    def _checkpoint(self) -> None:
        """Move the log into the file. The engine does by itself, but not while somebody reads, and some always do."""
        if _bytes(self._log) > _MOST_LOG:
            with contextlib.suppress(GoldBusy, duckdb.Error), self._readers.away(_PATIENCE):
                self._database.execute("checkpoint")

    def _commit(self, write: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        with contextlib.closing(self._database.cursor()) as cursor:
            cursor.execute("begin")
            try:
                result = write(cursor)
                cursor.execute("update clock set version = version + 1, faceted = version + 1")
                cursor.execute("commit")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    cursor.execute("rollback")
                raise
            return result

    def _connect(self) -> duckdb.DuckDBPyConnection:
        try:
            database = duckdb.connect(self._path, config=self._config)
        except duckdb.Error as error:
            raise _not_opened(self._path, error) from None
        for spilled in self._path.with_name(self._path.name + ".tmp").iterdir():  # left by a process that was killed
            spilled.unlink(missing_ok=True)
        create_tables(database)
        database.execute("set lock_configuration = true")
        return database


def _applied(cursor: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(cursor.execute("select month, version from applied").fetchall())


def _apply(cursor: duckdb.DuckDBPyConnection, months: Mapping[str, int], at: datetime) -> None:
    """Take down which versions Gold holds; version 0 is none."""
    for month, version in months.items():
        if version:
            cursor.execute("insert or replace into applied values ($1, $2, $3)", [month, version, at])
        else:
            cursor.execute("delete from applied where month = $1", [month])
    lineage.refresh_runs(cursor, lineage.runs_awaiting(cursor, months))


def _fresh(changes: Sequence[Change], applied: Mapping[str, int]) -> list[Change]:
    return [change for change in changes if change.version > applied.get(change.month, 0)]


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _not_opened(path: Path, error: duckdb.Error) -> Exception:
    text = str(error)
    if "Conflicting lock" in text or "lock on file" in text:
        return GoldBusy(f"another process owns Gold: {first_line(error)}", hint="stop it, or ask it")
    if "No space left" in text:
        return GoldBusy(f"Gold cannot be opened: {first_line(error)}", hint="free some disk")
    if "Permission denied" in text or "Read-only file system" in text:
        return _unwritable(path, first_line(error))
    return GoldError(f"Gold at {path} is damaged: {first_line(error)}", hint=_REBUILD)


def _unwritable(path: Path, reason: str) -> SettingError:
    return SettingError(
        f"Gold cannot be kept at {path}: {reason}", field="CRASH_DATA_DIR", hint="choose a directory to write in"
    )
