"""Rows that are written but not published yet, kept in the portal's file."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from streams.local.portal.rows import Row
from streams.local.portal.tables import Tables


class Backlog:
    """Rows of any dataset, each with the moment at which it is to be published."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        tables.cursor().execute("CREATE TABLE IF NOT EXISTS backlog (due TIMESTAMP, dataset VARCHAR, row VARCHAR)")

    def add(self, rows: Iterable[tuple[datetime, str, Row]]) -> None:
        """Keep rows until they are due."""
        entries = [(_naive(due), dataset, json.dumps(row)) for due, dataset, row in rows]
        if entries:
            self._tables.cursor().executemany("INSERT INTO backlog VALUES (?, ?, ?)", entries)

    def due(self, until: datetime) -> dict[str, list[Row]]:
        """What is due, by dataset. It stays here until :meth:`forget`, so that a kill between loses nothing."""
        sql = "SELECT dataset, row FROM backlog WHERE due <= ? ORDER BY due, row"
        rows: dict[str, list[Row]] = defaultdict(list)
        for dataset, row in self._tables.cursor().execute(sql, [_naive(until)]).fetchall():
            rows[dataset].append(json.loads(row))
        return rows

    def forget(self, until: datetime) -> None:
        """Drop what was due."""
        self._tables.cursor().execute("DELETE FROM backlog WHERE due <= ?", [_naive(until)])


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
