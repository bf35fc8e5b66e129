"""Rolling-origin backtests: each method forecasts from many past evenings, knowing what was known then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from sklearn.metrics import mean_poisson_deviance

from models.forecast import baselines, model
from models.forecast.counts import TESTED, Counts, Days, Floats, Past
from models.forecast.intervals import COVERAGES, covered, dispersion

Level = Literal["city", "beat"]
LEVELS: Final[dict[Level, slice]] = {"city": slice(0, 1), "beat": slice(1, None)}
Method = Literal["model", "seasonal-naive", "12-month mean"]
MODEL: Final[Method] = "model"
# Where nothing can be tested yet: for a beat, four days of a crash or so each say next to nothing.
UNTESTED: Final[dict[Level, Method]] = {"city": "seasonal-naive", "beat": "12-month mean"}

AHEAD: Final = 14
# A week is the least that a baseline can repeat.
LEAST_DAYS: Final = 7
# With fewer origins, being better may be luck.
LEAST_ORIGINS: Final = 8
_NOTHING: Final = np.empty((0, 1))
_SURE: Final = 1.645  # standard errors: of one side, 95 %

_METHODS: Final[dict[Method, tuple[int, Callable[[Past, Days], Floats]]]] = {
    MODEL: (model.LEAST_DAYS, model.predict),
    "seasonal-naive": (LEAST_DAYS, baselines.seasonal_naive),
    "12-month mean": (LEAST_DAYS, baselines.twelve_months),
}


@dataclass(frozen=True)
class Trial:
    """The 14 days after day `origin`: what came (NaN: not known), and what each method had expected."""

    origin: int
    actual: Floats
    expected: Mapping[Method, Floats]


@dataclass(frozen=True)
class Score:
    """A method at a level. `coverage` by `COVERAGES`; None where too little was tested to say."""

    method: Method
    origins: int
    deviance: float | None
    mae: float | None
    coverage: tuple[float | None, ...]
    spread: float
    served: bool


def backtest(counts: Counts) -> list[Trial]:
    """Trials from origins 14 days apart, oldest first, so that each day of the last two years is tried once."""
    known = np.flatnonzero(np.isfinite(counts.values[:, 0]))
    newest = int(known[-1]) if len(known) else 0
    trials = []
    for origin in range(newest - AHEAD, max(newest - TESTED, 0) - 1, -AHEAD):
        expected = expect(counts, origin)
        if not expected:
            break
        trials.append(Trial(origin, counts.values[origin + 1 : origin + 1 + AHEAD], expected))
    return trials[::-1]


def expect(counts: Counts, origin: int) -> dict[Method, Floats]:
    """What each method expects of the 14 days after `origin`, as it would have that evening.

    Arrays of days by columns of `counts`; a method is missing where too few days were known.
    """
    past = counts.before(origin)
    days = (counts.first - past.first).days + np.arange(origin + 1, origin + 1 + AHEAD)
    return {name: method(past, days) for name, (least, method) in _METHODS.items() if past.known >= least}


def score(trials: Sequence[Trial], level: Level) -> list[Score]:
    """Each method's score, all on the same days; and which of them is to be served.

    That is the model where its deviance is below each baseline's beyond chance, else the best baseline.
    """
    columns = LEVELS[level]
    tried = [trial for trial in trials if np.isfinite(trial.actual[:, columns]).any()]
    tried = [trial for trial in tried if MODEL in trial.expected] or tried
    methods: list[Method] = [name for name in _METHODS if tried and name in tried[0].expected]
    losses = {name: np.array([_deviance(trial, name, columns) for trial in tried]) for name in methods}
    served = _chosen(losses, UNTESTED[level])
    return [_score(tried, name, columns, losses.get(name), name == served) for name in _METHODS]


def _chosen(losses: Mapping[Method, Floats], untested: Method) -> Method:
    baseline = {name: loss for name, loss in losses.items() if name != MODEL}
    if MODEL in losses and all(_below(losses[MODEL], loss) for loss in baseline.values()):
        return MODEL
    return min(baseline, key=lambda name: float(baseline[name].mean()), default=untested)


def _below(losses: Floats, others: Floats) -> bool:
    """Whether the mean loss is lower, by more than chance would have it from one origin to the next."""
    lower = losses - others
    enough = len(lower) >= LEAST_ORIGINS
    return enough and bool(lower.mean() + _SURE * lower.std(ddof=1) / np.sqrt(len(lower)) < 0)


def _score(trials: Sequence[Trial], name: Method, columns: slice, losses: Floats | None, served: bool) -> Score:
    if losses is None:
        return Score(name, 0, None, None, (None,) * len(COVERAGES), dispersion(_NOTHING, _NOTHING), served)
    actual = [trial.actual[:, columns] for trial in trials]
    expected = [trial.expected[name][:, columns] for trial in trials]
    misses = np.abs(np.vstack(actual) - np.vstack(expected))
    # Intervals are judged on days that came after those that their width was learned from.
    half = len(trials) // 2
    coverage: tuple[float | None, ...] = (None,) * len(COVERAGES)
    if half:
        spread = dispersion(np.vstack(actual[:half]), np.vstack(expected[:half]))
        later, thought = np.vstack(actual[half:]), np.vstack(expected[half:])
        known = np.isfinite(later)
        coverage = tuple(covered(later[known], thought[known], spread, share) for share in COVERAGES)
    spread = dispersion(np.vstack(actual), np.vstack(expected))
    return Score(name, len(trials), float(losses.mean()), float(np.nanmean(misses)), coverage, spread, served)


def _deviance(trial: Trial, name: Method, columns: slice) -> float:
    actual, expected = trial.actual[:, columns], trial.expected[name][:, columns]
    known = np.isfinite(actual)
    return float(mean_poisson_deviance(actual[known], expected[known]))
