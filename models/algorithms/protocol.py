"""What every algorithm is: hyperparameters with bounds, a fit that can be watched and stopped, and what it fitted."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import optuna
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import roc_auc_score

from streams.errors import DataTooThin, ModelDamaged

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Called between rounds with the share that is done (0 to 1) and the ROC-AUC on rows held back, where there are some.
# What it raises ends the fit.
OnProgress = Callable[[float, float | None], None]

SEED: Final = 20190601
# Boosters stop by the newest of the training rows, if they hold so many of each class.
_HELD_BACK: Final = 0.15
_LEAST_OF_A_CLASS: Final = 20
# Rounds without rows to stop by.
BLIND_ROUNDS: Final = 60


class Hyperparameters(BaseModel):
    """What all algorithms can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    balance: bool = Field(
        False, description="weigh both classes alike in training; calibration makes the probabilities true again"
    )


AnyHyperparameters = Hyperparameters  # `Algorithm` has a member of the same name


class Fitted(Protocol):
    """A fitted classifier. Safe to use from several threads at once."""

    @property
    def width(self) -> int:
        """Columns of the matrices it takes."""

    def probability(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Of (rows, columns) with NaN for missing: the uncalibrated probability of each row."""

    def contributions(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Shapley values in log-odds, (rows, columns): a row's add up to its log-odds less those of the average row."""

    def dump(self) -> dict[str, bytes]:
        """Its files by name, in a format that cannot execute code; `load` of the algorithm reads them."""


class Algorithm(Protocol):
    """A module of this package."""

    @property
    def Hyperparameters(self) -> type[AnyHyperparameters]:  # noqa: N802  # a class, as a module has it
        """What the algorithm can be told."""

    @property
    def fit(self) -> "Fit":
        """Learn from rows in the order of time."""

    @property
    def load(self) -> Callable[[Mapping[str, bytes]], Fitted]:
        """Read what `Fitted.dump` gave; raises `ModelDamaged`."""

    @property
    def space(self) -> Callable[[optuna.Trial], AnyHyperparameters]:
        """Where a search looks."""


class Fit(Protocol):
    """Learn from rows in the order of time.

    `matrix` (rows, columns) has NaN for missing, `weight` one number a row. Raises `DataTooThin` when a class has no
    rows, and whatever `on_progress` raises.
    """

    def __call__(
        self,
        matrix: Matrix,
        label: Labels,
        weight: Floats | None,
        params: Any,
        on_progress: OnProgress,
        *,
        threads: int = 1,
    ) -> Fitted:
        """Fit."""


def weights(label: Labels, weight: Floats | None, balance: bool) -> Floats:
    """A weight for each row, 1 on the average; with `balance` both classes have the same sum."""
    if label.all() or not label.any():
        raise DataTooThin(
            f"all {len(label):,} training rows have the same label",
            field="label",
            hint="take a longer period, so that there are crashes of both kinds",
        )
    made = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=np.float64).copy()
    if balance:
        made[label] *= made[~label].sum() / made[label].sum()
    return made / float(made.mean())


class Part(NamedTuple):
    """Rows to learn from, or to stop by."""

    matrix: Matrix
    label: Labels
    weight: Floats


def held_back(matrix: Matrix, label: Labels, weight: Floats) -> tuple[Part, Part | None]:
    """The rows to learn from, and the newest to stop by: None where these would be too few of a class."""
    first = len(label) - int(len(label) * _HELD_BACK)
    positives = int(label[first:].sum())
    if min(positives, len(label) - first - positives) < _LEAST_OF_A_CLASS or not label[:first].any():
        return Part(matrix, label, weight), None
    parts = (Part(matrix[part], label[part], weight[part]) for part in (slice(first), slice(first, None)))
    return next(parts), next(parts)


def roc_auc(part: Part, score: Floats) -> float:
    """ROC-AUC of `score` on the rows of `part`."""
    return float(roc_auc_score(part.label, score, sample_weight=part.weight))


def only_file(files: Mapping[str, bytes], name: str) -> bytes:
    """The classifier's one file; raises `ModelDamaged` if that is not what there is."""
    if set(files) != {name}:
        raise ModelDamaged(
            f"the classifier's files are {', '.join(sorted(files)) or 'none'} instead of {name}",
            hint="promote another version, or train the model again",
        )
    return files[name]
