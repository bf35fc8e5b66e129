"""Rows that are written but not published yet, kept in the portal's file."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl

from streams.local.portal.rows import Row
from streams.local.portal.tables import Tables


class Backlog:
    """Rows of any dataset, each with the moment at which it is to be published."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        tables.cursor().execute("CREATE TABLE IF NOT EXISTS backlog (due VARCHAR, dataset VARCHAR, row VARCHAR)")

    def add(self, rows: Iterable[tuple[datetime, str, Row]]) -> None:
        """Keep rows until they are due."""
        entries = [(_stamp(due), dataset, json.dumps(row)) for due, dataset, row in rows]
        frame = pl.DataFrame(entries, schema=dict.fromkeys(("due", "dataset", "row"), pl.String), orient="row")
        cursor = self._tables.cursor()
        cursor.register("entries", frame.to_arrow())
        cursor.execute("INSERT INTO backlog SELECT * FROM entries")
        cursor.close()

    def due(self, until: datetime) -> dict[str, list[Row]]:
        """What is due, by dataset. It stays here until :meth:`forget`, so that a kill between loses nothing."""
        sql = "SELECT dataset, row FROM backlog WHERE due <= ? ORDER BY due, row"
        rows: dict[str, list[Row]] = defaultdict(list)
        for dataset, row in self._tables.cursor().execute(sql, [_stamp(until)]).fetchall():
            rows[dataset].append(json.loads(row))
        return rows

    def forget(self, until: datetime) -> None:
        """Drop what was due."""
        self._tables.cursor().execute("DELETE FROM backlog WHERE due <= ?", [_stamp(until)])


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
