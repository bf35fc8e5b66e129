"""Queries of others, run so that none of them can hurt: read-only, in time, and of bounded size."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from streams.errors import GoldError, QueryLimit, QueryRefused
from streams.storage.gold.guard import check, first_line

MOST_BYTES: Final = 256 * 1024 * 1024
_BATCH_ROWS: Final = 8_192


@dataclass(frozen=True)
class Answer:
    """Rows of a query; `truncated` when there were more than asked for."""

    table: pa.Table
    truncated: bool


class Readers:
    """Runs queries, each on its own cursor and in the caller's thread; any number at once."""

    def __init__(self) -> None:
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._lock = threading.Lock()

    def run(
        self,
        cursor: duckdb.DuckDBPyConnection,
        sql: str,
        *,
        limit: int,
        seconds: float,
        parameters: Mapping[str, object] | None,
    ) -> Answer:
        """At most `limit` rows of `sql`, within `seconds`. Closes `cursor`.

        Raises `QueryRefused` for what is no read or does not bind, `QueryLimit` (its `field` is `seconds` or
        `memory`) for what takes too much.
        """
        with contextlib.closing(cursor), self._listed(cursor), _deadline(cursor, seconds):
            try:
                check(cursor, sql)
                cursor.execute("begin transaction read only")
                cursor.execute(sql, dict(parameters or {}))
                return _fetch(cursor, limit)
            except duckdb.InterruptException:
                raise QueryLimit(
                    f"the query was stopped after {seconds:g} s", field="seconds", hint="ask for less"
                ) from None
            except (duckdb.OutOfMemoryException, MemoryError):
                raise QueryLimit(
                    "the query needs more memory than Gold has for queries",
                    field="memory",
                    hint="aggregate, or select fewer columns or rows",
                ) from None
            except duckdb.FatalException as error:
                raise GoldError(first_line(error)) from None
            except duckdb.Error as error:
                raise QueryRefused(
                    first_line(error), field="sql", hint="`describe <table>` lists a table's columns"
                ) from None

    def stop(self) -> None:
        """End all running queries: the writer needs their memory."""
        with self._lock:
            for cursor in self._running:
                cursor.interrupt()

    @contextlib.contextmanager
    def _listed(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        with self._lock:
            self._running.add(cursor)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(cursor)


def _fetch(cursor: duckdb.DuckDBPyConnection, limit: int) -> Answer:
    """Batches as they come, and no more of them than asked for: the rest of a huge result is never computed."""
    reader = cursor.to_arrow_reader(min(_BATCH_ROWS, limit + 1))
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    try:
        for batch in reader:
            batches.append(batch)
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if size > MOST_BYTES:
                raise QueryLimit(
                    f"the answer is larger than {MOST_BYTES >> 20} MiB",
                    field="memory",
                    hint="select fewer columns or rows",
                )
            if rows > limit:
                break
    except (OSError, pa.ArrowException) as error:  # what the engine raises while Arrow pulls the next batch
        raise _of_stream(error) from None
    table = pa.Table.from_batches(batches, schema=reader.schema)
    return Answer(_counted(table.slice(0, limit)), truncated=rows > limit)


def _counted(table: pa.Table) -> pa.Table:
    """Sums of integers as integers: the engine adds in 128 bits, which Arrow can only call decimals."""
    for place, column in enumerate(table.schema):
        if column.type == pa.decimal128(38, 0):
            with contextlib.suppress(pa.ArrowInvalid):  # too long for 64 bits
                table = table.set_column(place, column.name, table[place].cast(pa.int64()))
    return table


def _of_stream(error: Exception) -> Exception:
    text = str(error)
    if "INTERRUPT" in text:
        return duckdb.InterruptException(text)
    if "Out of Memory" in text:
        return duckdb.OutOfMemoryException(text)
    return duckdb.Error(text)


@contextlib.contextmanager
def _deadline(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt whatever `cursor` does after `seconds`, again and again: between two statements it has no effect."""
    done = threading.Event()

    def watch() -> None:
        if not done.wait(seconds):
            while not done.wait(0.05):
                cursor.interrupt()

    watcher = threading.Thread(target=watch, name="gold-deadline", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
