"""Is a candidate better than what serves? Both judged on the same rows, and the differences resampled together.

What both find hard then cancels out, so that a difference shows long before either metric's own interval tells it.
The calibration error is not compared: its estimate is biased, and by how much depends on the model. Brier score and
log loss know calibration, too.
"""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.evaluate import LOWER_IS_BETTER, RESAMPLES, Metric, MetricName, Sample, interval, resamples

Verdict = Literal["better", "worse", "no clear difference"]
COMPARED: Final[tuple[MetricName, ...]] = (
    "roc_auc", "pr_auc", "brier", "brier_skill", "log_loss", "f1", "precision", "recall"
)  # fmt: skip
# These judge the probabilities themselves; the rest depends on where the threshold was put.
_DECIDING: Final[tuple[MetricName, ...]] = ("roc_auc", "pr_auc", "brier", "log_loss")


class Difference(BaseModel):
    """One metric of both; `difference` is the candidate's less the serving model's, with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: float
    serving: float
    difference: Metric
    verdict: Verdict


class Comparison(BaseModel):
    """A candidate beside the serving model, on the same `rows`.

    `verdict` is that of ROC-AUC, PR-AUC, Brier score and log loss together: "better" where one of them clearly is and
    none is clearly worse, "worse" the other way round.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    positives: int
    metrics: dict[MetricName, Difference]
    verdict: Verdict
    resamples: int
    seed: int


def compare(
    candidate: NDArray[Any],
    serving: NDArray[Any],
    label: NDArray[Any],
    *,
    thresholds: tuple[float, float],
    seed: int = 0,
    count: int = RESAMPLES,
) -> Comparison:
    """Compare two models' probabilities of the same rows; `thresholds` are the candidate's and the serving model's.

    Raises as `evaluate` does: DataTooThin, RequestError.
    """
    both = [Sample.of(p, label, at) for p, at in zip((candidate, serving), thresholds, strict=True)]
    rows = len(label)
    ours, theirs = (sample.metrics(np.ones(rows)) for sample in both)
    drawn = [[sample.metrics(weight[sample.order]) for sample in both] for weight in resamples(rows, count, seed)]
    metrics = {}
    for name in COMPARED:
        found = interval(ours[name] - theirs[name], np.array([one[name] - other[name] for one, other in drawn]))
        metrics[name] = Difference(
            candidate=ours[name], serving=theirs[name], difference=found, verdict=_verdict(found, name)
        )
    return Comparison(
        rows=rows,
        positives=int(both[0].label.sum()),
        metrics=metrics,
        verdict=_together({metrics[name].verdict for name in _DECIDING}),
        resamples=count,
        seed=seed,
    )


def _verdict(found: Metric, name: MetricName) -> Verdict:
    if found.low <= 0 <= found.high:
        return "no clear difference"
    return "better" if (found.value > 0) is not (name in LOWER_IS_BETTER) else "worse"


def _together(verdicts: set[Verdict]) -> Verdict:
    clear = verdicts - {"no clear difference"}
    return clear.pop() if len(clear) == 1 else "no clear difference"
