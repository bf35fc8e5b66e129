"""From a classifier's raw probabilities to true ones, learned on rows that it has not seen."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self, cast

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from streams.errors import DataTooThin, ModelDamaged

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Kind = Literal["platt", "beta", "isotonic"]

_FOLDS: Final = 5
# A calibrated probability is never surer than this.
_SURE: Final = 1e-6
# Raw probabilities are cut to this before their logarithm is taken: float32 saturates near 1.
_RAW: Final = 1e-7
# A more flexible kind has to gain so much log loss, relatively: what is less may be luck, and isotonic costs ranking.
_GAIN: Final = 5e-4


@dataclass(frozen=True)
class Calibration:
    """A monotone function of raw probabilities, whose values are strictly between 0 and 1.

    Platt and beta: `values` are (a, b, c) of expit(a ln p - b ln(1 - p) + c), a and b at least 0, and equal for Platt.
    Isotonic: `values` are raw probabilities, then as many calibrated ones; between them it is linear.
    """

    kind: Kind
    values: tuple[float, ...]

    @classmethod
    def fit(cls, raw: Floats, label: Labels) -> Self:
        """The kind that has the least log loss on folds left out; simpler ones come first where they are as good.

        Raises `DataTooThin` unless both classes have a row a fold.
        """
        raw, label = np.asarray(raw, dtype=np.float64), np.asarray(label, dtype=np.bool_)
        if min(label.sum(), (~label).sum()) < _FOLDS:
            raise DataTooThin(
                f"{label.sum():,} of {len(label):,} rows to calibrate on are positive; each class needs {_FOLDS}",
                field="label",
                hint="take a longer period",
            )
        fold = _folds(label)
        best: Kind = "platt"
        least = np.inf
        for kind, fitted in _KINDS.items():
            losses = np.empty(len(label))
            for out in range(_FOLDS):
                rest, held = fold != out, fold == out
                probability = cls(kind, fitted(raw[rest], label[rest])).apply(raw[held])
                losses[held] = -np.log(np.where(label[held], probability, 1 - probability))
            if losses.mean() < least * (1 - _GAIN):
                best, least = kind, float(losses.mean())
        return cls(best, _KINDS[best](raw, label))

    def apply(self, raw: Floats) -> Floats:
        """Calibrated probabilities of raw ones."""
        if self.kind == "isotonic":
            points, calibrated = np.split(np.asarray(self.values), 2)
            probability = np.interp(raw, points, calibrated)
        else:
            a, b, c = self.values
            raw = np.clip(raw, _RAW, 1 - _RAW)
            probability = expit(a * np.log(raw) - b * np.log1p(-raw) + c)
        return np.asarray(np.clip(probability, _SURE, 1 - _SURE), dtype=np.float64)

    def to_json(self) -> str:
        """As JSON; `from_json` gives an equal one."""
        return json.dumps({"kind": self.kind, "values": self.values}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote; raises `ModelDamaged` if it did not."""
        try:
            kept = json.loads(text)
            kind, values = kept["kind"], tuple(map(float, kept["values"]))
            if kind not in _KINDS or not np.isfinite(values).all() or not _monotone(kind, values):
                raise ValueError(f"{kind} with {len(values)} values")
        except (ValueError, KeyError, TypeError) as error:
            raise ModelDamaged(f"the calibration is not readable: {error}", hint="train the model again") from error
        return cls(kind, values)


def _monotone(kind: Kind, values: tuple[float, ...]) -> bool:
    if kind != "isotonic":
        return len(values) == 3 and min(values[:2]) >= 0
    if not values or len(values) % 2:
        return False
    points, calibrated = np.split(np.asarray(values), 2)
    return bool((np.diff(points) > 0).all() and (np.diff(calibrated) >= 0).all())


def _folds(label: Labels) -> npt.NDArray[np.intp]:
    """The fold of each row: both classes are dealt out in turn, in random order."""
    fold = np.empty(len(label), dtype=np.intp)
    random = np.random.default_rng(0)
    for of_class in (label, ~label):
        fold[of_class] = random.permutation(int(of_class.sum())) % _FOLDS
    return fold


def _sigmoid(raw: Floats, label: Labels, tied: bool) -> tuple[float, ...]:
    """(a, b, c) of the greatest likelihood, with a = b where they are `tied`."""
    raw = np.clip(raw, _RAW, 1 - _RAW)
    terms = np.column_stack([logit(raw)] if tied else [np.log(raw), -np.log1p(-raw)])
    sign = np.where(label, 1.0, -1.0)
    slopes = terms.shape[1]

    def loss(point: Floats) -> tuple[float, Floats]:
        margin = sign * (terms @ point[:slopes] + point[slopes])
        slope = -sign * expit(-margin) / len(label)
        return float(np.logaddexp(0, -margin).mean()), np.append(terms.T @ slope, slope.sum())

    start = np.append(np.ones(slopes), 0.0)
    bounds = [(0, None)] * slopes + [(None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8})
    a, *b, c = map(float, found.x)
    return (a, b[0] if b else a, c)


def _isotonic(raw: Floats, label: Labels) -> tuple[float, ...]:
    """Corners of the isotonic regression; a stretch of one class alone is no surer than one row more would make it."""
    sure = 1 / (len(label) + 2)
    regression = IsotonicRegression(y_min=sure, y_max=1 - sure).fit(raw, label.astype(np.float64))
    return (*map(float, regression.X_thresholds_), *map(float, regression.y_thresholds_))


_Fit = Callable[[Floats, Labels], tuple[float, ...]]
_KINDS: Final = cast(
    Mapping[Kind, _Fit],
    {
        "platt": lambda raw, label: _sigmoid(raw, label, tied=True),
        "beta": lambda raw, label: _sigmoid(raw, label, tied=False),
        "isotonic": _isotonic,
    },
)
