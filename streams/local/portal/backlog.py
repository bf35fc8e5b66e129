"""What is decided but not published yet, kept in the portal's file."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import polars as pl

from streams.local.portal.rows import Row
from streams.local.portal.tables import Tables


class Act(StrEnum):
    """What is to be done."""

    PUBLISH = "publish"
    """Insert or change ``row`` of ``dataset``."""
    DELETE = "delete"
    """Delete the crash of ``row`` from all datasets."""
    REPUBLISH = "republish"
    """Publish all of ``dataset`` anew, unchanged."""


class Entry(NamedTuple):
    """Something to do when it is ``due``. A row names its crash."""

    due: datetime
    dataset: str
    row: Row
    act: Act = Act.PUBLISH


class Backlog:
    """Entries, and the moment ``until`` (UTC) up to which everything was decided."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        columns = ", ".join(f"{name} VARCHAR" for name in _COLUMNS)
        tables.cursor().execute(f"CREATE TABLE IF NOT EXISTS pending ({columns})")

    @property
    def until(self) -> datetime | None:
        """Up to when everything was decided; None where nothing was."""
        fact = self._tables.fact(_UNTIL)
        return datetime.fromisoformat(fact) if fact else None

    def add(self, entries: Iterable[Entry], until: datetime) -> None:
        """Keep entries until they are due: all of them, and ``until``, or after a kill nothing."""
        texts = [
            (_stamp(entry.due), entry.act, entry.dataset, entry.row.get("crash_record_id"), json.dumps(entry.row))
            for entry in entries
        ]
        frame = pl.DataFrame(texts, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
        with self._tables.cursor() as cursor:
            cursor.register("entries", frame.to_arrow())
            cursor.begin()
            cursor.execute("INSERT INTO pending SELECT * FROM entries")
            cursor.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", [_UNTIL, until.isoformat()])
            cursor.commit()

    def due(self, until: datetime) -> list[Entry]:
        """What is due, in order. It stays here until :meth:`forget`, so that a kill between loses nothing."""
        sql = "SELECT due, dataset, row, act FROM pending WHERE due <= ? ORDER BY ALL"
        with self._tables.cursor() as cursor:
            found = cursor.execute(sql, [_stamp(until)]).fetchall()
        return [Entry(datetime.fromisoformat(due), name, json.loads(row), Act(act)) for due, name, row, act in found]

    def forget(self, until: datetime, crashes: Sequence[str] = ()) -> None:
        """Drop what was due, and whatever is still to come of these crashes."""
        with self._tables.cursor() as cursor:
            cursor.execute("DELETE FROM pending WHERE due <= ?", [_stamp(until)])
            for crash in crashes:
                cursor.execute("DELETE FROM pending WHERE crash = ?", [crash])


_COLUMNS = ("due", "act", "dataset", "crash", "row")
_UNTIL = "decided"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
