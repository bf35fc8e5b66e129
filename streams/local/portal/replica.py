"""A replica of the tables that lags behind: it answers with the rows of a while ago."""

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import duckdb

from streams.local.portal.datasets import Type
from streams.local.portal.publication import Publication, publication
from streams.local.portal.query import Query

LAG = timedelta(minutes=10)


class Replica:
    """The tables as they were before the last write, or up to ``LAG`` before it by the portal's clock.

    It is a transaction that stays open: DuckDB keeps what it saw, rows and columns, and nothing is copied.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._using = threading.Lock()
        self._at: datetime | None = None
        self._columns: Mapping[str, Mapping[str, Type]] = {}

    def follow(self, columns: Mapping[str, Mapping[str, Type]], now: datetime, tidy: Callable[[], None]) -> None:
        """Called before each write: catch up with what is there, if it is long since. Then is the time to ``tidy``."""
        # A clock that was set back is another clock: the replica was made before the city lived.
        if self._at is not None and timedelta() <= now - self._at < LAG:
            return
        with self._using:
            if self._at is not None:
                self._cursor.rollback()
                tidy()
            self._cursor.begin()
            # A transaction sees the file as it is at its first read.
            self._cursor.execute("FROM publications").fetchall()
            self._at, self._columns = now, dict(columns)

    def columns(self, dataset: str) -> Mapping[str, Type]:
        """The columns and their types, then."""
        return self._columns[dataset]

    def publication(self, dataset: str) -> Publication:
        """When the dataset had last been written."""
        with self._using:
            return publication(self._cursor, dataset)

    def answer(self, query: Query) -> bytes:
        """The rows of a query then, as a JSON array. Blocks: call it in a thread."""
        with self._using:
            return query.run(self._cursor)
