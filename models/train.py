"""Training: from rows with features and labels to a calibrated model, and what is to be said about it.

A plain function over frames, for a thread of its own: it does no I/O, and says how far it is. For the same rows and the
same request it makes the same model, unless it searches: how many trials fit into the time depends on the machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.algorithms import ALGORITHMS, Hyperparameters, hyperparameters
from models.algorithms.protocol import Labels, Matrix
from models.calibrate import Calibration
from models.compare import Comparison, compare
from models.drift import Reference
from models.encode import Encoding
from models.evaluate import Evaluation, enough, evaluate
from models.features import Feature, chosen
from models.leakage import refuse_ceiling, refuse_leaks
from models.model import Model
from models.search import search
from models.split import Split, split
from models.threshold import threshold_for
from streams.records import TrainRequest

Stage = Literal["read", "prepare", "search", "fit", "judge", "keep"]
# Which share of a training each stage is, as (begin, end); where there is a search, it is most of the fit.
STAGES: Final[Mapping[Stage, tuple[float, float]]] = {
    "read": (0.0, 0.15),
    "prepare": (0.15, 0.2),
    "search": (0.2, 0.7),
    "fit": (0.2, 0.75),
    "judge": (0.75, 0.95),
    "keep": (0.95, 1.0),
}
# Who was hurt differs most by who was there. Not of the model, but to see where it fails.
_WHO: Final = ("pedestrians", "cyclists", "motorcycles")

# Called with the stage, the share of it that is done, and the ROC-AUC so far; what it raises ends the training.
Tell = Callable[[Stage, float, float | None], None]


@dataclass(frozen=True)
class Trained:
    """A model, how good it is on the test rows, also beside the `serving` one, and what drift is measured against.

    `rows` says how many each part had.
    """

    model: Model
    evaluation: Evaluation
    comparison: Comparison | None
    reference: Reference
    hyperparameters: Hyperparameters
    rows: Mapping[str, int]

    @property
    def better(self) -> bool | None:
        """Whether it is better than what serves; None where nothing does."""
        return None if self.comparison is None else self.comparison.verdict == "better"


def threshold_rule(request: TrainRequest) -> str:
    """How the threshold is chosen, in words."""
    if request.recall is not None:
        return f"chosen to find {request.recall:.0%} of the cases on the calibration rows"
    if request.cost is not None:
        return f"chosen for a missed case that is worth {request.cost:g} false alarms"
    return "chosen for the greatest F1 on the calibration rows"


def checked(request: TrainRequest) -> tuple[tuple[Feature, ...], Mapping[str, Any]]:
    """The features and the hyperparameters given by hand; raises `RequestError` for what is wrong in either."""
    features = chosen(request.tier, request.features)
    given = request.hyperparameters | ({"balance": True} if request.imbalance == "weights" else {})
    hyperparameters(request.algorithm, given)
    return features, given


def needed(request: TrainRequest, serving: Model | None) -> tuple[str, ...]:
    """Names of the features that the rows of a training need."""
    features, _ = checked(request)
    names = [feature.name for feature in features]
    return tuple(dict.fromkeys((*names, *_WHO, *(serving.features if serving else ()))))


def train(
    request: TrainRequest, rows: pl.DataFrame, serving: Model | None, now: datetime, tell: Tell, *, threads: int = 1
) -> Trained:
    """Train on `rows` (crash_record_id, crash_date, label, beat and the features `needed`) in order of time.

    The first three fifths train, the next fifth calibrates and chooses the threshold, the newest judges. Raises
    `RequestError`, `DataTooThin`, `LeakFound`, and whatever `tell` does.
    """
    tell("prepare", 0.0, None)
    features, given = checked(request)
    names = [feature.name for feature in features]
    parts = split(rows)
    for part in (parts.calibrate, parts.test):
        enough(_label(part))
    refuse_leaks(parts.train.select(names), parts.train["label"])
    encoding = Encoding.fit(parts.train, features)
    matrix, label = encoding.matrix(parts.train), _label(parts.train)
    params = _parameters(request, matrix, label, given, tell, threads)
    fit = ALGORITHMS[request.algorithm].fit
    begin = _after_search() if request.search_seconds else 0.0
    classifier = fit(
        matrix,
        label,
        None,
        params,
        lambda share, score: tell("fit", begin + (1 - begin) * share, score),
        threads=threads,
    )
    tell("judge", 0.0, None)
    raw = classifier.probability(encoding.matrix(parts.calibrate), threads)
    calibration = Calibration.fit(raw, _label(parts.calibrate))
    threshold = threshold_for(calibration.apply(raw), _label(parts.calibrate), recall=request.recall, cost=request.cost)
    model = Model(
        target=request.target,
        tier=request.tier,
        algorithm=request.algorithm,
        features=tuple(names),
        encoding=encoding,
        classifier=classifier,
        calibration=calibration,
        threshold=threshold,
        data_from=parts.train["crash_date"][0],
        data_through=parts.calibrate["crash_date"][-1],
        trained_at=now,
    )
    probability = model.probability(parts.test)
    evaluation = _judged(request, model, parts, probability)
    tell("judge", 0.6, evaluation.metrics["roc_auc"].value)
    comparison = None if serving is None else _compared(request, model, serving, parts.test, probability)
    return Trained(
        model,
        evaluation,
        comparison,
        Reference.of(parts.train, names, model.probability(parts.train)),
        params,
        {"training": parts.train.height, "calibration": parts.calibrate.height, "test": parts.test.height},
    )


def _after_search() -> float:
    """How much of the fit is done once a search is over."""
    begin, end = STAGES["fit"]
    return (STAGES["search"][1] - begin) / (end - begin)


def _parameters(
    request: TrainRequest, matrix: Matrix, label: Labels, given: Mapping[str, Any], tell: Tell, threads: int
) -> Hyperparameters:
    if request.search_seconds is None:
        return hyperparameters(request.algorithm, given)
    return search(
        request.algorithm,
        matrix,
        label,
        given,
        lambda share, score: tell("search", share, score),
        seconds=request.search_seconds,
        seed=request.seed,
        threads=threads,
    ).params


def _judged(request: TrainRequest, model: Model, parts: Split, probability: NDArray[np.float64]) -> Evaluation:
    test = parts.test
    who = pl.lit("motor vehicles alone")
    for name in reversed(_WHO):
        who = pl.when(pl.col(name) > 0).then(pl.lit(name)).otherwise(who)
    groups = {
        "beat": test["beat"].cast(pl.String).to_numpy(),
        "with": test.select(who).to_series().to_numpy(),
    }
    evaluation = evaluate(
        probability, _label(test), model.threshold, test["crash_date"].to_numpy(), groups, request.seed
    )
    refuse_ceiling(evaluation.metrics["roc_auc"].low, request.tier, request.target)
    return evaluation


def _compared(
    request: TrainRequest, model: Model, serving: Model, test: pl.DataFrame, probability: NDArray[np.float64]
) -> Comparison:
    return compare(
        probability,
        serving.probability(test),
        _label(test),
        thresholds=(model.threshold, serving.threshold),
        seed=request.seed,
    )


def _label(rows: pl.DataFrame) -> Labels:
    return rows["label"].to_numpy()
