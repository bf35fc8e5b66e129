"""When crashes happen: how many a day, and at which moments of it."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
import polars as pl

from streams.local.portal.city.draws import Codes, Floats, generator, rake
from streams.local.portal.city.frequencies import DAY_OF_WEEK, HOUR, MONTH, PER_DAY, WEEKEND_BY_HOUR
from streams.local.portal.city.sky import BUSIER, weather

_DAYS_IN_MONTH = np.array([31, 28.25, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
_CITY = "America/Chicago"


@lru_cache(maxsize=1)
def _rhythm() -> tuple[Floats, Floats]:
    """(month factors with mean 1, weekday x hour factors that sum to 24 x 7)."""
    month = np.array(MONTH) / _DAYS_IN_MONTH
    odds = np.ones((7, 24))
    odds[[0, 6]] = WEEKEND_BY_HOUR  # Sunday and Saturday
    odds[0, 20:] *= 0.7
    odds[5, 20:] *= 1.25  # Friday night
    day, hour = np.array(DAY_OF_WEEK), np.array(HOUR)
    week = rake(odds, day / day.sum(), hour / hour.sum())
    return month * _DAYS_IN_MONTH.sum() / (month * _DAYS_IN_MONTH).sum(), week * 24 * 7


@lru_cache(maxsize=4096)
def hourly(seed: int, day: date) -> Floats:
    """Relative intensity in each of the 24 hours of a day; 1 is the long-run mean."""
    month, week = _rhythm()
    sky = weather(seed, day.year, day.month)[0][24 * (day.day - 1) :][:24]
    intensity: Floats = month[day.month - 1] * week[day.isoweekday() % 7] * BUSIER[sky]
    return intensity


def expected(seed: int, day: date) -> float:
    """How many crashes a day brings on average, given its weather and what else is special about it."""
    mood = generator(seed, 11, day.toordinal()).gamma(100.0, 0.01)
    return float(PER_DAY * hourly(seed, day).mean() * mood)


def natural(seed: int, day: date) -> int:
    """How many crashes a day brings."""
    return int(generator(seed, 12, day.toordinal()).poisson(expected(seed, day)))


def seconds_of_day(rng: np.random.Generator, seed: int, days: Sequence[date], counts: Codes) -> Codes:
    """For `counts[i]` crashes on `days[i]`: seconds since local midnight, ascending within each day."""
    profile = np.array([hourly(seed, day) for day in days])
    edges = np.cumsum(profile / profile.sum(axis=1, keepdims=True), axis=1)
    which = np.repeat(np.arange(len(days)), counts)
    edges = (edges + np.arange(len(days))[:, None]).ravel()
    hour = np.clip(np.searchsorted(edges, which + rng.random(len(which)), side="right") - 24 * which, 0, 23)
    second = hour * 3600 + rng.integers(0, 3600, len(which))
    order = np.lexsort((second, which))
    ordered: Codes = second[order]
    return ordered


def as_reported(rng: np.random.Generator, seconds: Codes) -> Codes:
    """Seconds floored as officers do: many to the half or quarter hour, none to more than the minute."""
    minutes = rng.choice([60, 30, 15, 10, 5, 1], size=len(seconds), p=[0.04, 0.18, 0.08, 0.14, 0.16, 0.40])
    floored: Codes = seconds - seconds % (minutes * 60)
    return floored


def to_utc(local: pl.Series) -> pl.Series:
    """Local wall time as UTC without zone. The hour that spring skips counts as standard time."""
    name = local.name
    aware = local.dt.replace_time_zone(_CITY, ambiguous="earliest", non_existent="null")
    utc = aware.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc.fill_null(local.dt.offset_by("6h")).alias(name)
