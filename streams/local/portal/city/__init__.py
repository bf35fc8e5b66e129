"""A simulated Chicago: crashes, vehicles and people as its open data portal would publish them.

`City` is a pure function of its seed. Nothing reads a clock, and every block of days has a generator of
its own, so a block does not depend on what was generated before it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from streams.errors import RequestError
from streams.local.portal.city import clock, columns, outcomes
from streams.local.portal.city.crashes import crashes
from streams.local.portal.city.draws import Codes, generator
from streams.local.portal.city.people import people, results
from streams.local.portal.city.units import MOTORCYCLES, units

__all__ = ["City", "Tables"]

Tables = dict[str, pl.DataFrame]

_EPOCH = date(2013, 1, 1)  # ids count from here
_BLOCK = 50_000  # crashes
_IDS_A_DAY = 400_000  # the lower half for history, the upper for what happens live
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
            tables, _ = self._block(_HISTORY, days[first:last], counts[first:last])
            yield {
                name: table.with_columns(pl.col(*columns.SYSTEM).clip(upper_bound=pl.lit(closed, pl.Datetime("ms"))))
                for name, table in tables.items()
            }

    def happening(self, moment: datetime, seconds: float) -> Tables:
        """The crashes of [moment, moment + seconds), local time, at the natural rate; one chunk as in `history`.

        Windows that adjoin neither repeat nor miss a crash. A crash's published time may be up to an hour
        before the window, as officers round down. Its ids never meet those of `history`.
        """
        if moment.tzinfo is not None:
            raise RequestError("the moment has a time zone", field="moment", hint="give Chicago's wall time")
        until = moment + timedelta(seconds=seconds)
        parts = []
        for n in range((until.date() - moment.date()).days + 1):
            tables, at = self._day(moment.date() + timedelta(n))
            happened = tables["crashes"].filter((at >= moment) & (at < until))
            parts.append({name: table.join(happened.select("crash_record_id"), on="crash_record_id", how="semi")
                          for name, table in tables.items()})  # fmt: skip
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

    def _day(self, day: date) -> tuple[Tables, pl.Series]:
        return self._block(_LIVE, [day], np.array([clock.natural(self.seed, day)]))

    def _block(self, purpose: int, days: Sequence[date], counts: Codes) -> tuple[Tables, pl.Series]:
        """The tables of some days, and the exact moment of each crash."""
        rng = generator(self.seed, purpose, days[0].toordinal(), len(days), int(counts.sum()))
        half = 0 if purpose == _HISTORY else _IDS_A_DAY // 2
        base = np.array([(day - _EPOCH).days * _IDS_A_DAY + half for day in days])
        block, moments = crashes(rng, self.seed, days, counts)
        parts = units(rng, block, base, np.array([day.year for day in days]))
        persons = people(rng, block, parts, base)
        created, updated = _stamps(rng, block.filed)
        n_units, n_people = len(parts.frame), len(persons.frame)
        return {
            "crashes": _published(results(block, parts, persons), columns.CRASHES, created, updated),
            "vehicles": _published(parts.frame, columns.VEHICLES, *_later(rng, created, updated, parts.crash, n_units)),
            "people": _published(
                persons.frame, columns.PEOPLE, *_later(rng, created, updated, persons.crash, n_people)
            ),
        }, moments


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


def _later(rng: np.random.Generator, created: Codes, updated: Codes, crash: Codes, n: int) -> tuple[Codes, Codes]:
    """Vehicles and people come with their crash, one crash in twelve a good while after it."""
    delay = (3_600_000 * rng.exponential(10.0, len(created))).astype(np.int64) * (rng.random(len(created)) < 0.08)
    born = (created + delay)[crash]
    return born, np.maximum(born, np.where(rng.random(n) < 0.5, updated[crash], 0))


def _published(frame: pl.DataFrame, names: list[str], created: Codes, updated: Codes) -> pl.DataFrame:
    return frame.with_columns(
        pl.Series(":created_at", created).cast(pl.Datetime("ms")),
        pl.Series(":updated_at", updated).cast(pl.Datetime("ms")),
    ).select(*names, *columns.SYSTEM)
