"""How far counts spread around what was expected: a negative binomial, its dispersion learned from past misses."""

from typing import Final

import numpy as np
from scipy.stats import nbinom

from models.forecast.counts import Floats

COVERAGES: Final = (0.8, 0.95)

# What is assumed before anything is measured: days differ by a tenth for reasons of their own. It weighs 14 days.
_PRIOR: Final = 0.01
_PRIOR_DAYS: Final = 14
_LEAST: Final = 1e-6  # Poisson, as good as


def dispersion(actual: Floats, expected: Floats) -> float:
    """`a` in variance = mean + a * mean², by moments; the two are arrays of days by places. NaN is left out."""
    known = np.isfinite(actual) & np.isfinite(expected)
    beyond = np.where(known, (actual - expected) ** 2 - expected, 0.0).sum()
    squared = np.where(known, expected**2, 0.0).sum()
    days = max(int(known.any(axis=1).sum()), 1) if known.size else 1
    prior = squared / days * _PRIOR_DAYS
    return max(float((beyond + _PRIOR * prior) / (squared + prior)), _LEAST) if squared else _PRIOR


def interval(expected: Floats, spread: float, coverage: float) -> tuple[Floats, Floats]:
    """The least and the greatest count of an interval that covers `coverage` or, counts being whole, a little more.

    Below it is no more than half of the rest: less where zero is likely, and then more is above it.
    """
    counts = nbinom(1 / spread, 1 / (1 + spread * expected))
    low: Floats = counts.ppf((1 - coverage) / 2)
    high: Floats = counts.ppf(coverage + counts.cdf(low - 1))
    return low, high


def covered(actual: Floats, expected: Floats, spread: float, coverage: float) -> float:
    """The share of counts that are in their interval."""
    low, high = interval(expected, spread, coverage)
    return float(((low <= actual) & (actual <= high)).mean())
