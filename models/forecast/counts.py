"""Daily counts from Gold, and which days of them are known whole.

Crashes are filed late, and injuries are found later still: the last days count too few. How late crashes are filed is
measured from when police was notified; days that may still grow are left out of everything.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

Measure = Literal["crashes", "injuries"]
MEASURES: Final[tuple[Measure, ...]] = ("crashes", "injuries")
Floats = NDArray[np.float64]
Days = NDArray[np.int64]

# Most days that a forecast learns from, and that it is tested on before those.
WINDOW: Final = 4 * 365 + 1
TESTED: Final = 2 * 365

DAILY: Final = """
    select
        crash_date::date as "day",
        beat_of_occurrence as beat,
        count(*) as crashes,
        count(*) filter (injury) as injuries,
        count(injury) as known
    from crashes
    where crash_date >= (select least(max(crash_date), now()::timestamp) from crashes) - interval ($days) day
    group by all
"""
DAYS: Final = WINDOW + TESTED + 30
# Days between a crash and its notice; of crashes so old that theirs has come, and lately.
LAGS: Final = """
    select greatest(date_diff('day', crash_date, date_police_notified), 0) as lag, count(*) as crashes
    from crashes, (select least(max(crash_date), now()::timestamp) as newest from crashes)
    where crash_date between newest - interval 400 day and newest - interval 14 day and date_police_notified is not null
    group by all
"""

# A day is complete once this share of its crashes is filed, and a day for publishing them has passed.
_FILED: Final = 0.99
_UNMEASURED: Final = 3
_LONGEST: Final = 14
# Reports are amended for two weeks, most often by an injury that was found.
_OUTCOME: Final = 14
# A day of fewer crashes, compared to the usual one, was not copied or is just beginning.
_COVERED: Final = 0.2
# A day's injuries count where so many of its outcomes are known.
_KNOWN: Final = 0.9


@dataclass(frozen=True)
class Past:
    """What was known at a time: a row a day from `first` on, a column for the city and for each beat; NaN: not known.

    All days to come are counted from `first`, too.
    """

    first: date
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    @property
    def known(self) -> int:
        """Days that are known."""
        return int(np.isfinite(self.values[:, 0]).sum())


@dataclass(frozen=True)
class Counts:
    """A measure's counts: a row a day from `first` to the newest, a column for the city and for each of `beats`.

    NaN where the day is not known whole: not copied, or one of the last `delay` days.
    """

    first: date
    beats: tuple[int, ...]
    values: Floats
    delay: int

    @property
    def through(self) -> date:
        """The newest day with data."""
        return self.first + timedelta(days=len(self.values) - 1)

    def before(self, origin: int) -> Past:
        """What was known on the evening of day `origin`: no more than that, and of the last `WINDOW` days."""
        end = max(origin + 1 - self.delay, 0)
        start = max(end - WINDOW, 0)
        return Past(self.first + timedelta(days=start), self.values[start:end])


def delay_of(lags: pl.DataFrame, measure: Measure) -> int:
    """How many of the last days are not complete. `lags`: `lag` in days, `crashes` of that lag."""
    filed = lags.sort("lag").with_columns(share=pl.col("crashes").cum_sum() / pl.col("crashes").sum())
    late = filed.filter(pl.col("share") >= _FILED)["lag"]
    days = min(int(late[0]) + 1, _LONGEST) if len(late) else _UNMEASURED
    return max(days, _OUTCOME) if measure == "injuries" else days


def counts(daily: pl.DataFrame, lags: pl.DataFrame, measure: Measure) -> Counts | None:
    """`measure` by day and beat; None where there is no crash.

    `daily` has `day`, `beat` (null: not known), `crashes`, `injuries` and `known` (outcomes): a row a day and beat.
    """
    city = (
        daily.drop_nulls("day")
        .group_by("day")
        .agg(pl.col("crashes", "injuries", "known").sum())
        .filter(pl.col("crashes") >= _COVERED * _usual(pl.col("crashes")))
        .sort("day")
    )
    if city.is_empty():
        return None
    first, through = _date(city["day"].min()), _date(city["day"].max())
    beats = tuple(sorted(daily["beat"].drop_nulls().unique().to_list()))
    values = np.full(((through - first).days + 1, 1 + len(beats)), np.nan)
    known = city.filter(pl.col("known") >= _KNOWN * pl.col("crashes")) if measure == "injuries" else city
    rows = _offsets(known["day"], first)
    values[rows] = 0
    values[rows, 0] = known[measure].to_numpy()
    cells = daily.drop_nulls("beat").join(known.select("day"), on="day", how="semi")
    columns = 1 + np.searchsorted(np.array(beats, dtype=np.int64), cells["beat"].to_numpy())
    values[_offsets(cells["day"], first), columns] = cells[measure].to_numpy()
    delay = delay_of(lags, measure)
    values[max(len(values) - delay, 0) :] = np.nan
    return Counts(first, beats, values, delay)


def _usual(crashes: pl.Expr) -> pl.Expr:
    """The day of the median crash: stray days, of which there may be many with a crash or two, do not move it."""
    ordered = crashes.sort()
    return ordered.filter(ordered.cum_sum() * 2 >= ordered.sum()).first()


def _offsets(days: pl.Series, first: date) -> Days:
    offsets: Days = (days - first).dt.total_days().to_numpy().astype(np.int64)
    return offsets


def _date(value: Any) -> date:
    assert isinstance(value, date)  # noqa: S101 -- the column is of dates, which the type of `min` does not say
    return value
