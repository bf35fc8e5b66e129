"""Searching hyperparameters: trials until the time is up, judged on the newest training rows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import optuna

from models.algorithms import ALGORITHMS, Hyperparameters, OnProgress, hyperparameters
from models.algorithms.protocol import Labels, Matrix
from models.evaluate import roc_auc
from streams import records
from streams.errors import DataTooThin

# The last rows in time, as those after training will be: what does well on rows like the fitted may just remember them.
_JUDGED_SHARE: Final = 0.25


@dataclass(frozen=True)
class Found:
    """The best hyperparameters, their ROC-AUC on the rows that judge, and how many trials there were."""

    params: Hyperparameters
    score: float
    trials: int


class _TimeUp(Exception):
    """A trial does not end in time."""


def search(
    algorithm: records.Algorithm,
    matrix: Matrix,
    label: Labels,
    given: Mapping[str, Any],
    on_progress: OnProgress,
    *,
    seconds: float,
    seed: int,
    threads: int = 1,
) -> Found:
    """Try hyperparameters for `seconds`; rows are in order of time, and those `given` by hand stay as they are.

    The defaults are tried first, and to their end: nothing worse is found. What is tried next follows from `seed` and
    the scores so far; how many trials there are depends on the machine. `on_progress` gets the share of the time and
    the best score; what it raises ends the search. Raises `RequestError` for what is wrongly given, `DataTooThin`.
    """
    kind = ALGORITHMS[algorithm]
    begun = time.monotonic()
    cut = round(len(label) * (1 - _JUDGED_SHARE))
    best = Found(hyperparameters(algorithm, given), 0.0, 0)

    def score(params: Hyperparameters) -> float:
        def report(_: float, __: float | None) -> None:
            share = (time.monotonic() - begun) / seconds
            on_progress(min(share, 1.0), best.score if best.trials else None)
            if share > 1 and best.trials:
                raise _TimeUp

        fitted = kind.fit(matrix[:cut], label[:cut], None, params, report, threads=threads)
        found = roc_auc(fitted.probability(matrix[cut:], threads), label[cut:])
        if found is None:
            raise DataTooThin(
                "the newest training rows are all of one class",
                field="search_seconds",
                hint="train without a search, or on more months",
            )
        return found[0]

    best = Found(best.params, score(best.params), 1)
    study = _study(seed)
    while time.monotonic() - begun < seconds:
        trial = study.ask()
        params = hyperparameters(algorithm, kind.space(trial).model_dump(exclude_unset=True) | dict(given))
        try:
            found = score(params)
        except _TimeUp:
            break
        study.tell(trial, found)
        best = Found(params if found > best.score else best.params, max(found, best.score), best.trials + 1)
    return best


def _study(seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
