"""The portal's tables, in one DuckDB file that this process owns.

Every column holds text exactly as it is published, ``location`` its JSON. See ``compiler`` for why that is enough.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa

from streams.errors import LocalError, RequestError
from streams.local.portal.compiler import quoted
from streams.local.portal.datasets import DATASETS, SYSTEM_COLUMNS, Type
from streams.local.portal.publication import Publication, publication
from streams.local.portal.query import Query
from streams.local.portal.replica import Replica
from streams.local.portal.rows import Row, frame_of

WRITES_BETWEEN_CHECKPOINTS = 2000


class Tables:
    """The three datasets. Reads run in any thread, each on a cursor of its own; writes wait for each other.

    ``dataset`` is a name out of ``DATASETS`` throughout.
    """

    def __init__(self, path: Path | str = ":memory:") -> None:
        """Open or create. Raises :class:`LocalError` where the file cannot be opened."""
        try:
            self._connection = duckdb.connect(str(path))
        except duckdb.Error as error:
            raise LocalError(f"{path}: {error}", hint="is another portal running on this data directory?") from None
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._writing = threading.Lock()
        self._replica: Replica | None = None
        self._columns: dict[str, dict[str, Type]] = {}
        self._retyped: dict[str, dict[str, Type]] = {}
        self._writes = 0
        self._connection.execute(Path(__file__).with_name("store.sql").read_text())
        for dataset in DATASETS.values():
            columns = ", ".join(f"{quoted(name)} VARCHAR" for name in [*SYSTEM_COLUMNS, *dataset.columns])
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {dataset.name} ({columns})")
            self._read_columns(dataset.name)

    def close(self) -> None:
        """Write everything to the file and let go of it."""
        self._connection.close()

    def columns(self, dataset: str) -> Mapping[str, Type]:
        """The columns of a table and their types: system columns, the published ones, then unannounced ones."""
        return self._columns[dataset]

    def publication(self, dataset: str) -> Publication:
        """When the dataset was last written; the epoch where it never was."""
        with self.cursor() as cursor:
            return publication(cursor, dataset)

    def now(self) -> datetime:
        """The portal's clock (UTC): that of the city if it lives, else the real one; never before the last write."""
        with self.cursor() as cursor:
            written = cursor.execute("SELECT max(updated_at) FROM publications").fetchone()
        now = self.clock()
        return max(now, written[0].replace(tzinfo=UTC)) if written and written[0] else now

    def replica(self) -> Replica:
        """A replica that lags behind from now on; there is one."""
        with self._writing:
            if self._replica is None:
                self._replica = Replica(self.cursor())
                self._replica.follow(self._columns, self.now(), self._tidy)
            return self._replica

    def answer(self, query: Query) -> bytes:
        """The rows of a query as a JSON array. Blocks: call it in a thread."""
        with self.cursor() as cursor:
            return query.run(cursor)

    def rows(self, dataset: str, column: str, values: Sequence[str], only: Sequence[str] = ()) -> list[Row]:
        """The rows that have one of ``values`` in a column; nulls are None.

        ``only`` are the columns wanted; without it all of them, system columns too.
        """
        listed = ", ".join(map(quoted, only)) or "*"
        with self.cursor() as cursor:
            cursor.register("wanted", _one_column(values))
            sql = f"SELECT {listed} FROM {dataset} WHERE {quoted(column)} IN (FROM wanted)"  # noqa: S608
            return cursor.execute(sql).pl().to_dicts()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of one's own to the file, for use in one thread."""
        return self._connection.cursor()

    def load(self, dataset: str, frame: pl.DataFrame, at: datetime | None = None) -> None:
        """Append rows, all values text as published. A system column that is absent or null is assigned.

        ``at`` (UTC) is the time of this write. An unknown column is added to the table.
        """
        unknown = [name for name in frame.columns if name not in self._columns[dataset]]
        with self._writer(dataset, at) as (cursor, now):
            for name in unknown:
                cursor.execute(f"ALTER TABLE {dataset} ADD COLUMN {quoted(name)} VARCHAR")
            _insert(cursor, dataset, frame, now, self._retyped[dataset])
        if unknown:
            self._read_columns(dataset)

    def upsert(self, dataset: str, rows: Sequence[Row], at: datetime | None = None) -> None:
        """Insert rows, or change those that are there: columns that a row does not name stay, None makes null.

        A changed row keeps its `:id` and `:created_at`. Raises :class:`RequestError` where a row lacks its key or
        names an unknown column.
        """
        key = DATASETS[dataset].key
        columns = self._columns[dataset]
        for row in rows:
            if not row.get(key):
                raise RequestError(f"a row of {dataset} without {key}", field=key)
            for name in row.keys() - columns.keys():
                raise RequestError(f"{dataset} has no column {name}", field=name)
        with self._writer(dataset, at) as (cursor, now):
            merged = {row[key]: row for row in self.rows(dataset, key, [row[key] for row in rows])}
            for row in rows:
                merged[row[key]] = {**merged.get(row[key], {}), **row, ":updated_at": None, ":version": None}
            _delete(cursor, dataset, merged)
            _insert(cursor, dataset, frame_of(merged.values(), columns), now, self._retyped[dataset])

    def delete(self, dataset: str, keys: Sequence[str], at: datetime | None = None) -> None:
        """Delete the rows of these keys, without a trace."""
        with self._writer(dataset, at) as (cursor, _):
            _delete(cursor, dataset, keys)

    def republish(self, dataset: str, at: datetime | None = None) -> None:
        """Publish the whole table anew: every `:updated_at` and `:version` changes, no content does."""
        with self._writer(dataset, at) as (cursor, now):
            cursor.execute(
                f"""
                UPDATE {dataset} SET ":updated_at" = $now, ":version" = row_version(serial)
                FROM (SELECT rowid AS row, nextval('serial') AS serial FROM {dataset}) AS numbered
                WHERE {dataset}.rowid = numbered.row
                """,  # noqa: S608 - a table of ours
                {"now": _stamp(now)},
            )

    def add_column(self, dataset: str, name: str, kind: Type = Type.TEXT) -> None:
        """Publish a new column, empty in every row.

        As on the real portal, a change of the columns changes no row's `:updated_at`: fill it with :meth:`upsert`, or
        follow with :meth:`republish`. Raises :class:`RequestError`, as do its siblings.
        """
        if name in self._columns[dataset]:
            raise RequestError(f"{dataset} already has a column {name}", field=name)
        with self._drifting(dataset, name, kind) as cursor:
            cursor.execute(f"ALTER TABLE {dataset} ADD COLUMN {quoted(name)} VARCHAR")

    def drop_column(self, dataset: str, name: str) -> None:
        """Publish a column no more."""
        self._check_drift(dataset, name)
        with self._drifting(dataset, name, None) as cursor:
            cursor.execute(f"ALTER TABLE {dataset} DROP COLUMN {quoted(name)}")

    def retype(self, dataset: str, name: str, kind: Type) -> None:
        """Change a column's type. Its values, and those to come, are of it: what cannot be becomes null."""
        self._check_drift(dataset, name)
        with self._drifting(dataset, name, kind) as cursor:
            cursor.execute(f"UPDATE {dataset} SET {quoted(name)} = {_fitting(name, kind)}")  # noqa: S608

    def fact(self, name: str) -> str | None:
        """What was noted under a name."""
        found = self.cursor().execute("SELECT value FROM facts WHERE name = ?", [name]).fetchone()
        return None if found is None else str(found[0])

    def note(self, name: str, value: str) -> None:
        """Note a fact about this file."""
        with self._writing:
            self.cursor().execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", [name, value])

    def _check_drift(self, dataset: str, name: str) -> None:
        if name not in self._columns[dataset]:
            raise RequestError(f"{dataset} has no column {name}", field=name)
        if name in SYSTEM_COLUMNS or name == DATASETS[dataset].key:
            raise RequestError(f"{dataset} cannot be without {name} as it is", field=name)

    @contextmanager
    def _drifting(self, dataset: str, name: str, kind: Type | None) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction that changes a column, and notes the type that it has from then on."""
        if kind is not None and kind not in _FITTING:
            raise RequestError(f"{name} cannot become a {kind}", field=name, hint=f"one of {', '.join(_FITTING)}")
        with self._writer(dataset, None) as (cursor, _):
            yield cursor
            cursor.execute("DELETE FROM retyped WHERE dataset = ? AND name = ?", [dataset, name])
            if kind is not None:
                cursor.execute("INSERT INTO retyped VALUES (?, ?, ?)", [dataset, name, kind])
        self._read_columns(dataset)

    def _read_columns(self, dataset: str) -> None:
        described = self.cursor().execute(f"DESCRIBE {dataset}").fetchall()
        noted = self.cursor().execute("SELECT name, type FROM retyped WHERE dataset = ?", [dataset]).fetchall()
        self._retyped[dataset] = {name: Type(kind) for name, kind in noted}
        types = SYSTEM_COLUMNS | DATASETS[dataset].columns | self._retyped[dataset]
        self._columns[dataset] = {row[0]: types.get(row[0], Type.TEXT) for row in described}

    @contextmanager
    def _writer(self, dataset: str, at: datetime | None) -> Iterator[tuple[duckdb.DuckDBPyConnection, datetime]]:
        """One transaction, at a time that is later than that of every write before it."""
        with self._writing:
            last = self.publication(dataset)
            now = max(at or self.now(), last.updated_at + timedelta(milliseconds=1))
            if self._replica:
                self._replica.follow(self._columns, now, self._tidy)
            else:
                self._tidy()
            cursor = self.cursor()
            cursor.begin()
            try:
                yield cursor, now
                publication = [dataset, now.replace(tzinfo=None), last.revision + 1]
                cursor.execute("INSERT OR REPLACE INTO publications VALUES (?, ?, ?)", publication)
                cursor.commit()
                self._writes += 1
            except BaseException:
                cursor.rollback()
                raise
            finally:
                cursor.close()

    def _tidy(self) -> None:
        """Let go of deleted rows, once in a while. DuckDB does so at a checkpoint, and then only if nobody reads."""
        if self._writes >= WRITES_BETWEEN_CHECKPOINTS:
            with suppress(duckdb.TransactionException), self.cursor() as cursor:
                cursor.execute("CHECKPOINT")
                self._writes = 0


_ASSIGNED = {
    ":id": "row_id(serial)",
    ":created_at": "$now",
    ":updated_at": "$now",
    ":version": "row_version(serial)",
}


# A value as the type publishes it; null where it cannot be of that type.
_FITTING = {
    Type.TEXT: "{0}",
    Type.NUMBER: "CASE WHEN TRY_CAST({0} AS DOUBLE) IS NOT NULL THEN {0} END",
    Type.BOOLEAN: "CAST(TRY_CAST({0} AS BOOLEAN) AS VARCHAR)",
    Type.CALENDAR_DATE: "strftime(TRY_CAST({0} AS TIMESTAMP), '%Y-%m-%dT%H:%M:%S.%g')",
}


def _fitting(name: str, kind: Type | None) -> str:
    """SQL for a column's values as ``kind``; as they are where that is None."""
    return _FITTING[kind or Type.TEXT].format(quoted(name))


def _insert(
    cursor: duckdb.DuckDBPyConnection, dataset: str, frame: pl.DataFrame, now: datetime, retyped: Mapping[str, Type]
) -> None:
    """Append rows; system columns that are absent or null are assigned."""
    values = {name: _fitting(name, retyped.get(name)) for name in frame.columns}
    for name, value in _ASSIGNED.items():
        values[name] = f"coalesce({quoted(name)}, {value})" if name in values else value
    names = ", ".join(map(quoted, values))
    cursor.register("arriving", frame.to_arrow())
    numbered = "(SELECT *, nextval('serial') AS serial FROM arriving)"
    sql = f"INSERT INTO {dataset} ({names}) SELECT {', '.join(values.values())} FROM {numbered}"  # noqa: S608
    cursor.execute(sql, {"now": _stamp(now)} if "$now" in sql else {})
    cursor.unregister("arriving")


def _delete(cursor: duckdb.DuckDBPyConnection, dataset: str, keys: Iterable[str]) -> None:
    key = quoted(DATASETS[dataset].key)
    cursor.register("unwanted", _one_column(keys))
    cursor.execute(f"DELETE FROM {dataset} WHERE {key} IN (FROM unwanted)")  # noqa: S608
    cursor.unregister("unwanted")


def _one_column(values: Iterable[str]) -> pa.Table:
    # Not a list parameter: duckdb looks for pandas anew for each of its elements.
    return pl.DataFrame({"value": list(values)}, schema={"value": pl.String}).to_arrow()


def _stamp(moment: datetime) -> str:
    """A moment as system columns publish it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
