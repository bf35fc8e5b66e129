"""What a forecast has to beat: the same weekdays of late, and the mean of twelve months."""

import numpy as np

from models.forecast.counts import Days, Floats, Past


def seasonal_naive(past: Past, days: Days) -> Floats:
    """The mean of the newest four known days of the same weekday: an array of `days` by columns of `past`."""
    known = np.flatnonzero(np.isfinite(past.values[:, 0]))
    means = {}
    for weekday in np.unique(days % 7):
        rows = known[known % 7 == weekday]
        means[int(weekday)] = _mean(past.values[(rows if len(rows) else known)[-4:]])
    return np.array([means[int(day % 7)] for day in days])


def twelve_months(past: Past, days: Days) -> Floats:
    """The mean of the last 365 days."""
    return np.tile(_mean(past.values[-365:]), (len(days), 1))


def _mean(values: Floats) -> Floats:
    """By column, of the known days; where nothing happened, half a crash is as likely as none."""
    known = values[np.isfinite(values[:, 0])]
    mean: Floats = np.maximum(known.sum(axis=0), 0.5) / len(known)
    return mean
