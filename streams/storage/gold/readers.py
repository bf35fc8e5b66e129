"""Queries of others, run so that none of them can hurt: read-only, in time, and of bounded size."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import duckdb
import pyarrow as pa

from streams.errors import GoldBusy, QueryLimit, QueryRefused
from streams.storage.gold.answer import Answer
from streams.storage.gold.guard import check, first_line

MOST_BYTES: Final = 256 * 1024 * 1024
_BATCH_ROWS: Final = 8_192

# An interrupt between two statements has no effect, so it is repeated.
_AGAIN_SECONDS: Final = 0.05
# After so many seconds of interrupts a query will not end in time for whoever waits.
_STUBBORN_SECONDS: Final = 10.0


class Readers:
    """Runs queries, each on a cursor of its own and in the caller's thread; any number at once."""

    def __init__(self, open_cursor: Callable[[], duckdb.DuckDBPyConnection]) -> None:
        self._open_cursor = open_cursor
        self._room = threading.Condition()
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._closed = False

    @contextlib.contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor to read with; waits while readers are `away`."""
        with self._room:
            self._room.wait_for(lambda: not self._closed)
            try:
                cursor = self._open_cursor()
            except duckdb.ConnectionException as error:  # the last try to open the file anew failed
                raise GoldBusy(f"Gold is closed: {first_line(error)}", hint="ask again") from None
            self._running.add(cursor)
        try:
            yield cursor
        finally:
            cursor.close()
            with self._room:
                self._running.discard(cursor)
                self._room.notify_all()

    @contextlib.contextmanager
    def away(self, patience: float = 0.0) -> Iterator[None]:
        """Nobody reads inside: who comes waits, and who is at it has `patience` seconds to finish.

        Raises `GoldBusy` when a query cannot be stopped.
        """
        with self._room:
            self._closed = True
        try:
            with self._room:
                self._empty(patience)
            yield
        finally:
            with self._room:
                self._closed = False
                self._room.notify_all()

    def run(self, sql: str, *, limit: int, seconds: float, parameters: Mapping[str, object] | None) -> Answer:
        """At most `limit` rows of `sql`, within `seconds`.

        Raises `QueryRefused` for what is no read or does not bind, `QueryLimit` (its `field` is `seconds` or
        `memory`) for what takes too much, and `GoldBusy` when the writer needed the engine for itself.
        """
        with self.cursor() as cursor, _deadline(cursor, seconds) as late:
            try:
                check(cursor, sql)
                cursor.execute("begin transaction read only")
                cursor.execute(sql, dict(parameters or {}))
                return _fetch(cursor, limit)
            except duckdb.InterruptException:
                if late.is_set():
                    raise QueryLimit(
                        f"the query was stopped after {seconds:g} s", field="seconds", hint="ask for less"
                    ) from None
                raise GoldBusy("the query was stopped for a load", hint="ask again") from None
            except (duckdb.OutOfMemoryException, MemoryError):
                raise QueryLimit(
                    "the query needs more memory than Gold has for queries",
                    field="memory",
                    hint="aggregate, or select fewer columns or rows",
                ) from None
            except (duckdb.FatalException, duckdb.IOException) as error:
                raise GoldBusy(f"Gold cannot read: {first_line(error)}", hint="ask again") from None
            except duckdb.Error as error:
                raise QueryRefused(
                    first_line(error), field="sql", hint="`describe <table>` lists a table's columns"
                ) from None

    def _empty(self, patience: float) -> None:
        if self._room.wait_for(lambda: not self._running, patience):
            return
        for _ in range(round(_STUBBORN_SECONDS / _AGAIN_SECONDS)):
            for cursor in self._running:
                cursor.interrupt()
            if self._room.wait_for(lambda: not self._running, _AGAIN_SECONDS):
                return
        raise GoldBusy("a query cannot be stopped", hint="it is tried again")


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


def _of_stream(error: Exception) -> Exception:
    text = str(error)
    if "INTERRUPT" in text:
        return duckdb.InterruptException(text)
    if "Out of Memory" in text:
        return duckdb.OutOfMemoryException(text)
    if "IO Error" in text:
        return duckdb.IOException(text)
    return duckdb.Error(text)


def _counted(table: pa.Table) -> pa.Table:
    """Sums of integers as integers: the engine adds in 128 bits, which Arrow can only call decimals."""
    for place, column in enumerate(table.schema):
        if column.type == pa.decimal128(38, 0):
            with contextlib.suppress(pa.ArrowInvalid):  # too long for 64 bits
                table = table.set_column(place, column.name, table[place].cast(pa.int64()))
    return table


@contextlib.contextmanager
def _deadline(cursor: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[threading.Event]:
    """Interrupt whatever `cursor` does after `seconds`; the event says that it came to that."""
    done, late = threading.Event(), threading.Event()

    def watch() -> None:
        if not done.wait(seconds):
            late.set()
            while not done.wait(_AGAIN_SECONDS):
                cursor.interrupt()

    watcher = threading.Thread(target=watch, name="gold-deadline", daemon=True)
    watcher.start()
    try:
        yield late
    finally:
        done.set()
        watcher.join()
