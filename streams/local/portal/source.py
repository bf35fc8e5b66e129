"""What the tables are filled with: given rows, or the history of a generated city."""

import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from streams.local.portal.city import City
from streams.local.portal.datasets import DATASETS
from streams.local.portal.living import Life, set_clock
from streams.local.portal.rows import city_frame, given_rows
from streams.local.portal.tables import Tables

_CHICAGO = ZoneInfo("America/Chicago")
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
        for chunk in City(self.seed).history(start, end, self.crashes):
            for name, frame in chunk.items():
                tables.load(name, city_frame(frame), at=midnight)
        set_clock(tables, midnight)

    def life(self, tables: Tables) -> Life:
        """What goes on in the city from where its clock stands."""
        return Life(tables, City(self.seed).happening, self.seed)


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
