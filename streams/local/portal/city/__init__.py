"""A simulated Chicago: crashes, vehicles and people as its open data portal would publish them.

`City` is a pure function of its seed. Nothing reads a clock, and every block of days has a generator of
its own, so a block does not depend on what was generated before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from streams.errors import RequestError
from streams.local.portal.city import clock, outcomes
from streams.local.portal.city.crashes import crashes
from streams.local.portal.city.draws import Codes, generator
from streams.local.portal.city.people import people, results
from streams.local.portal.city.units import MOTORCYCLES, units
from streams.local.portal.datasets import DATASETS

__all__ = ["City", "Tables"]

Tables = dict[str, pl.DataFrame]

_CHICAGO = ZoneInfo("America/Chicago")
_EPOCH = date(2013, 1, 1)  # ids count from here
_BLOCK = 50_000  # crashes
_IDS_A_DAY = 400_000  # the lower half for history, the upper for what happens live
_SYSTEM = (":created_at", ":updated_at")
_HISTORY, _LIVE = 1, 2  # purposes of a generator


@dataclass(frozen=True)
class City:
    """A city and all that will ever happen in it."""

    seed: int

    def history(self, start: date, end: date, crashes: int | None = None) -> Iterator[Tables]:
        """What the portal holds of [start, end): chunks in time order, rows in the order of the crashes.

        Each chunk maps "crashes", "vehicles" and "people" to a frame of all API columns, text as published,
        null for null, `location` as a struct of a GeoJSON Point, and `:created_at` and `:updated_at` in UTC,
        none of them after local midnight of `end`. `crashes` is how many in all; None is the natural rate,
        about 300 a day.
        """
        days = [start + timedelta(i) for i in range((end - start).days)]
        if not days or start < _EPOCH:
            raise RequestError(
                f"no history from {start} to {end}", field="start", hint=f"give {_EPOCH} or later, before the end"
            )
        counts = self._counts(days, crashes)
        if counts.max() * 5 > _IDS_A_DAY // 2:
            raise RequestError(
                f"{crashes} crashes in {len(days)} days are too many",
                field="crashes",
                hint="ask for fewer, or more days",
            )
        closed = clock.to_utc(pl.Series([datetime.combine(end, datetime.min.time())], dtype=pl.Datetime("ms")))[0]
        for first, last in _blocks(days, counts):
            tables, _ = _block(self.seed, _HISTORY, days[first:last], counts[first:last])
            yield {
                name: table.with_columns(pl.col(*_SYSTEM).clip(upper_bound=pl.lit(closed, pl.Datetime("ms"))))
                for name, table in tables.items()
            }

    def happening(self, moment: datetime, seconds: float) -> Tables:
        """The crashes of [moment, moment + seconds) at the natural rate; one chunk as in `history`.

        `moment` without a time zone is Chicago's wall time. Windows that adjoin neither repeat nor miss a
        crash. A crash's published time may be up to an hour before the window, as officers round down. Its
        ids never meet those of `history`.
        """
        begin = moment.replace(tzinfo=_CHICAGO) if moment.tzinfo is None else moment
        begin = begin.astimezone(UTC).replace(tzinfo=None)
        end = begin + timedelta(seconds=seconds)
        first, last = (utc.replace(tzinfo=UTC).astimezone(_CHICAGO).date() for utc in (begin, end))
        parts = []
        for n in range((last - first).days + 1):
            tables, at = _day(self.seed, first + timedelta(n))
            ids = tables["crashes"].filter((at >= begin) & (at < end)).select("crash_record_id")
            parts.append({name: table.join(ids, on="crash_record_id", how="semi") for name, table in tables.items()})
        return {name: pl.concat(part[name] for part in parts) for name in parts[0]}

    def truth(self, crashes: pl.DataFrame, vehicles: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
        """`crash_record_id`, `injury`, `severe`: the model's probabilities that anyone is hurt, or hurt severely.

        Given all causes, so nothing learned from the published columns (outcomes apart) can predict better.
        Null for a crash without people rows. The three frames are as `history` gives them.
        """
        return outcomes.truth(crashes, vehicles, people, MOTORCYCLES)

    def _counts(self, days: Sequence[date], crashes: int | None) -> Codes:
        if crashes is None:
            return np.array([clock.natural(self.seed, day) for day in days])
        weights = np.array([clock.expected(self.seed, day) for day in days])
        rng = generator(self.seed, _HISTORY, days[0].toordinal(), days[-1].toordinal(), crashes)
        counts: Codes = rng.multinomial(crashes, weights / weights.sum())
        return counts


def _block(seed: int, purpose: int, days: Sequence[date], counts: Codes) -> tuple[Tables, pl.Series]:
    """The tables of some days, and the exact moment of each crash (local)."""
    rng = generator(seed, purpose, days[0].toordinal(), len(days), int(counts.sum()))
    half = 0 if purpose == _HISTORY else _IDS_A_DAY // 2
    base = np.array([(day - _EPOCH).days * _IDS_A_DAY + half for day in days])
    block, moments = crashes(rng, seed, days, counts)
    parts = units(rng, block, base, np.array([day.year for day in days]))
    persons = people(rng, block, parts, base)
    created, updated = _stamps(rng, block.filed)
    return {
        "crashes": _published("crashes", results(block, parts, persons), created, updated),
        "vehicles": _published("vehicles", parts.frame, *_later(rng, created, updated, parts.crash)),
        "people": _published("people", persons.frame, *_later(rng, created, updated, persons.crash)),
    }, moments


@lru_cache(maxsize=4)
def _day(seed: int, day: date) -> tuple[Tables, pl.Series]:
    """A day at the natural rate, with the exact moments in UTC."""
    tables, moments = _block(seed, _LIVE, [day], np.array([clock.natural(seed, day)]))
    return tables, clock.to_utc(moments)


def _blocks(days: Sequence[date], counts: Codes) -> Iterator[tuple[int, int]]:
    """Runs of days [first, last) of a calendar month each, and of about 50,000 crashes at most."""
    first, held = 0, 0
    for i, (day, count) in enumerate(zip(days, counts, strict=True)):
        if i > first and (day.day == 1 or held + count > _BLOCK):
            yield first, i
            first, held = i, 0
        held += int(count)
    yield first, len(days)


def _stamps(rng: np.random.Generator, filed: pl.Series) -> tuple[Codes, Codes]:
    """When each crash was published and last amended: UTC, milliseconds since 1970."""
    utc = clock.to_utc(filed).to_physical().to_numpy()
    n = len(utc)
    created = utc + (3_600_000 * rng.gamma(2.0, 2.5, n)).astype(np.int64) + 60_000
    amended = (86_400_000 * rng.exponential(9.0, n)).astype(np.int64) * (rng.random(n) < 0.12)
    return created, created + amended


def _later(rng: np.random.Generator, created: Codes, updated: Codes, crash: Codes) -> tuple[Codes, Codes]:
    """Vehicles and people come with their crash, those of one crash in twelve a good while after it."""
    delay = (3_600_000 * rng.exponential(10.0, len(created))).astype(np.int64) * (rng.random(len(created)) < 0.08)
    born = (created + delay)[crash]
    return born, np.maximum(born, np.where(rng.random(len(crash)) < 0.5, updated[crash], 0))


def _published(name: str, frame: pl.DataFrame, created: Codes, updated: Codes) -> pl.DataFrame:
    stamps = (
        pl.Series(column, times).cast(pl.Datetime("ms"))
        for column, times in zip(_SYSTEM, (created, updated), strict=True)
    )
    return frame.with_columns(*stamps).select(*DATASETS[name].columns, *_SYSTEM)
