"""What the tables are filled with: given rows, or the history of a generated city."""

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from streams.local.portal.city import City
from streams.local.portal.datasets import DATASETS
from streams.local.portal.living import Life, set_clock
from streams.local.portal.rows import city_frame, given_rows
from streams.local.portal.tables import Tables

_CHICAGO = ZoneInfo("America/Chicago")
_ROW_GROUP = 122_880
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GivenRows:
    """The rows of ``directory/{crashes,vehicles,people}.json``."""

    directory: Path

    def identity(self) -> str:
        """Changes whenever a file does."""
        files = [self.directory / f"{name}.json" for name in DATASETS]
        states = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.exists()]
        return json.dumps({"rows": states})

    def fill(self, tables: Tables) -> None:
        """Load them, each table as one publication. Raises :class:`streams.errors.RequestError`, naming the file."""
        frames = {name: given_rows(self.directory, dataset) for name, dataset in DATASETS.items()}
        for name, frame in frames.items():
            tables.load(name, frame)


@dataclass(frozen=True)
class GeneratedCity:
    """The city of a seed, from ``start`` up to but not including ``end``, or over the last ``days`` whole days.

    ``crashes`` is their number, None for the city's natural rate.
    """

    seed: int
    crashes: int | None
    days: int
    start: date | None = None
    end: date | None = None

    def identity(self) -> str:
        """The same for the same arguments, on whichever day: a restart continues."""
        return json.dumps(asdict(self), default=str)

    def fill(self, tables: Tables) -> None:
        """Generate the history; the city's clock stands at its end."""
        end = self.end or datetime.now(_CHICAGO).date()
        start = self.start or end - timedelta(days=self.days)
        midnight = datetime.combine(end, time(), _CHICAGO).astimezone(UTC)
        for name, frame in _row_groups(City(self.seed).history(start, end, self.crashes)):
            tables.load(name, frame, at=midnight)
        set_clock(tables, midnight)

    def life(self, tables: Tables) -> Life:
        """What goes on in the city from where its clock stands."""
        return Life(tables, City(self.seed).happening, self.seed)


def _row_groups(chunks: Iterable[dict[str, pl.DataFrame]]) -> Iterator[tuple[str, pl.DataFrame]]:
    """The chunks' frames, joined to what DuckDB writes at once: small appends cost five times as much."""
    gathered: dict[str, list[pl.DataFrame]] = {name: [] for name in DATASETS}
    for chunk in chunks:
        for name, frame in chunk.items():
            gathered[name].append(city_frame(frame))
            if sum(part.height for part in gathered[name]) >= _ROW_GROUP:
                yield name, pl.concat(gathered[name])
                gathered[name].clear()
    for name, parts in gathered.items():
        if parts:
            yield name, pl.concat(parts)


def open_tables(data_dir: Path, source: GivenRows | GeneratedCity) -> Tables:
    """The tables in ``data_dir``: those that are there if they came from this source, else new ones.

    Raises :class:`streams.errors.CrashStreamError` where the directory or the source is unusable.
    """
    path = data_dir / "portal.duckdb"
    data_dir.mkdir(parents=True, exist_ok=True)
    tables = Tables(path)
    if tables.fact("source") == source.identity():
        _log.info("going on with the tables in %s", path)
        return tables
    # Also what a start that was killed half-way left.
    tables.close()
    for stale in (path, path.with_suffix(".duckdb.wal")):
        stale.unlink(missing_ok=True)
    tables = Tables(path)
    try:
        source.fill(tables)
    except BaseException:
        tables.close()
        raise
    tables.note("source", source.identity())
    return tables
