"""The forecaster: a Poisson regression for the city, and each beat's share of it.

The city's count is that of the last four weeks, times what weekday, season, holidays and longer means make of it. The
penalty of the regression is a prior: with little history its factors stay near one, and so the forecast near the level.
A beat's share, how that has changed of late, and its weekdays are shrunk towards what is usual, by as much as the
beats differ from each other beyond chance.
"""

from typing import Final

import numpy as np
from sklearn.linear_model import PoissonRegressor

from models.forecast import calendar
from models.forecast.counts import Days, Floats, Past

LEAST_DAYS: Final = 56

# The level is the mean of whole weeks: of four, and of a quarter and a year, towards which it returns.
_LEVELS: Final = (28, 91, 364)
_RECENT: Final = 364
# Before a year and the four weeks of a level were seen, a season is not to be told from a trend.
_SEASONS: Final = 364 + 28
# Each day is learned from as if it were so many days ahead, beyond the days that were not complete.
_LEADS: Final = (1, 7, 14)
# Weight of the prior in crashes: effects are about 0.1 where the counts spread four times as far as Poisson's.
_PRIOR: Final = 500.0


def predict(past: Past, days: Days) -> Floats:
    """Expected counts: an array of `days` by columns of `past`, which has `LEAST_DAYS` known days at least."""
    city = _city(past, days)
    return np.hstack([city[:, None], city[:, None] * _shares(past, days)])


def _city(past: Past, days: Days) -> Floats:
    counts = past.values[:, 0]
    gap = int(days[0]) - len(past)
    rows = np.concatenate([np.flatnonzero(np.isfinite(counts)) for _ in _LEADS])
    seen = np.concatenate([np.flatnonzero(np.isfinite(counts)) - gap - lead for lead in _LEADS])
    level, longer = _levels(counts, seen)
    usable = np.isfinite(level)
    rows, level, longer = rows[usable], level[usable], longer[usable]
    now, longer_now = _levels(counts, np.full(len(days), len(past) - 1))
    if not np.isfinite(now[0]):  # nothing was known of the last weeks
        now = np.full(len(days), np.nanmean(counts[np.flatnonzero(np.isfinite(counts))[-28:]]))
    if not len(rows):
        return now
    seasons = len(past) >= _SEASONS
    # The weights make this the likelihood of the counts, given the level.
    fitted = PoissonRegressor(alpha=_PRIOR * len(_LEADS) / level.sum(), solver="newton-cholesky", max_iter=50)
    known = np.hstack([calendar.features(past.first, rows, seasons=seasons), longer])
    fitted.fit(known, counts[rows] / level, sample_weight=level)
    coming = np.hstack([calendar.features(past.first, days, seasons=seasons), longer_now])
    ahead: Floats = now * fitted.predict(coming)
    return ahead


def _levels(counts: Floats, newest: Days) -> tuple[Floats, Floats]:
    """The level as of each of the days `newest`, and the logarithms of longer ones over it; NaN and 0: not known."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(counts))])
    known = np.concatenate([[0], np.cumsum(np.isfinite(counts))])
    end = np.maximum(newest + 1, 0)
    means = []
    for window in _LEVELS:
        start = np.maximum(end - window, 0)
        n = known[end] - known[start]
        enough = (n >= window / 2) & (total[end] > total[start])
        means.append(np.where(enough, (total[end] - total[start]) / np.maximum(n, 1), np.nan))
    level = means[0]
    return level, np.nan_to_num(np.log(np.stack(means[1:], axis=1) / level[:, None]))


def _shares(past: Past, days: Days) -> Floats:
    known = np.isfinite(past.values[:, 0])
    beats, city = past.values[known, 1:], past.values[known, 0]
    share = shrunk(beats.sum(axis=0), np.full(beats.shape[1], city.sum() / max(beats.shape[1], 1)))
    share = share / max(beats.shape[1], 1)
    recent = np.flatnonzero(known) >= len(past) - _RECENT
    share = share * shrunk(beats[recent].sum(axis=0), share * city[recent].sum())
    weekday = calendar.weekdays(past.first, np.flatnonzero(known))
    by_weekday = np.array([beats[weekday == day].sum(axis=0) for day in range(7)])
    expected = np.array([city[weekday == day].sum() for day in range(7)])[:, None] * share
    ahead: Floats = share * shrunk(by_weekday, expected)[calendar.weekdays(past.first, days)]
    return ahead


def shrunk(observed: Floats, expected: Floats) -> Floats:
    """The ratio of counts to what was expected of them, shrunk to 1 by as much of it as is chance.

    The ratios are taken to be gamma distributed around 1; their variance is estimated by its moments.
    """
    squared = (expected**2).sum()
    variance = ((observed - expected) ** 2 - expected).sum() / squared if squared else 0.0
    if variance <= 0:
        return np.ones_like(expected)
    ratio: Floats = (observed * variance + 1) / (expected * variance + 1)
    return ratio
