"""What the calendar alone says of a day: weekday, season, holidays."""

from calendar import monthcalendar
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import numpy as np

from models.forecast.counts import Days, Floats

_HARMONICS: Final = 3
_FIXED: Final = ((1, 1), (6, 19), (7, 4), (10, 31), (12, 24), (12, 25), (12, 31))


@lru_cache(maxsize=64)
def holidays(year: int) -> tuple[date, ...]:
    """Days of a year on which traffic is another, always in the same order."""
    thanksgiving = _nth(year, 11, 3, 4)
    return (
        *(date(year, month, day) for month, day in _FIXED),
        _nth(year, 5, 0, -1),  # Memorial Day
        _nth(year, 9, 0, 1),  # Labor Day
        thanksgiving - timedelta(days=1),
        thanksgiving,
        thanksgiving + timedelta(days=1),
    )


def weekdays(first: date, days: Days) -> Days:
    """0 is Monday; `days` are counted from `first`."""
    return (first.weekday() + days) % 7


def features(first: date, days: Days, *, seasons: bool) -> Floats:
    """Weekdays, holidays, and harmonics of the year if asked for: a row for each of `days`, counted from `first`."""
    dates = [first + timedelta(days=int(day)) for day in days]
    holiday = np.array([[day == that for that in holidays(day.year)] for day in dates], dtype=np.float64)
    columns = [np.eye(7)[weekdays(first, days)], holiday]
    if seasons:
        year = np.array([2 * np.pi * (day.timetuple().tm_yday - 1) / 365.25 for day in dates])
        turns = np.arange(1, _HARMONICS + 1) * year[:, None]
        columns += [np.sin(turns), np.cos(turns)]
    return np.hstack(columns)


def _nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th such weekday of a month; -1 is the last."""
    found = [week[weekday] for week in monthcalendar(year, month) if week[weekday]]
    return date(year, month, found[n - 1 if n > 0 else n])
