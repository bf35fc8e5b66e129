"""Logistic regression with a ridge penalty, over standardised columns; a missing value is a column of its own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import optuna
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit

from models.algorithms import protocol
from models.algorithms.protocol import Floats, Labels, Matrix, OnProgress
from streams.errors import ModelDamaged

FILE: Final = "classifier.logistic.json"
# A standardised value beyond this is cut: one absurd number shall not decide alone.
_FAR: Final = 8.0


class Hyperparameters(protocol.Hyperparameters):
    """By scikit-learn's names."""

    C: float = Field(0.1, ge=1e-6, le=1e6, description="inverse of the ridge penalty: less is smoother")
    max_iter: int = Field(200, ge=1, le=5000, description="steps at most")


@dataclass(frozen=True, eq=False)
class Logistic:
    """log-odds = intercept + coefficient · standardised value, or + missing where a value is NaN; all (columns,).

    `offset` is what a column adds on the average row, which contributions are relative to.
    """

    intercept: float
    mean: Floats
    scale: Floats
    coefficient: Floats
    missing: Floats
    offset: Floats

    @property
    def width(self) -> int:
        """Columns of the matrices it takes."""
        return len(self.mean)

    def probability(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Of (rows, columns) with NaN for missing: the uncalibrated probability of each row."""
        known, lacking = standardised(matrix, self.mean, self.scale)
        return np.asarray(expit(self.intercept + known @ self.coefficient + lacking @ self.missing))

    def contributions(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Shapley values in log-odds, (rows, columns): of columns taken as independent, as usual for a linear model."""
        known, lacking = standardised(matrix, self.mean, self.scale)
        return known * self.coefficient + lacking * self.missing - self.offset

    def dump(self) -> dict[str, bytes]:
        """JSON: the numbers above."""
        numbers = {name: np.asarray(value).tolist() for name, value in vars(self).items()}
        return {FILE: json.dumps(numbers, indent=1).encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `dump` gave; raises `ModelDamaged`."""
        try:
            numbers = json.loads(protocol.only_file(files, FILE))
            intercept = float(numbers.pop("intercept"))
            columns = {name: np.asarray(values, dtype=np.float64) for name, values in numbers.items()}
            if len({values.shape for values in columns.values()}) != 1:
                raise ValueError("its columns are not of one length")
            return cls(intercept, **columns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelDamaged(f"{FILE} is not readable: {error}", hint="train the model again") from error


load: Final = Logistic.load


def fit(
    matrix: Matrix,
    label: Labels,
    weight: Floats | None,
    params: Hyperparameters,
    on_progress: OnProgress,
    *,
    threads: int = 1,
) -> Logistic:
    """Minimise by L-BFGS. As `protocol.Fit` says; there is no score before the end."""
    weight = protocol.weights(label, weight, params.balance)
    mean, scale = _moments(matrix)
    known, lacking = standardised(matrix, mean, scale)
    gaps = np.flatnonzero(lacking.any(axis=0))
    design = np.hstack([known, lacking[:, gaps]])
    ridge = 1 / (params.C * len(label))
    sign = np.where(label, 1.0, -1.0)
    done = 0

    def loss(point: Floats) -> tuple[float, Floats]:
        """Mean log loss and half the penalty, and the gradient; the intercept comes first and is free."""
        margin = sign * (point[0] + design @ point[1:].astype(np.float32))
        slope = -weight * sign * expit(-margin) / len(label)
        gradient = np.concatenate([[slope.sum()], design.T @ slope.astype(np.float32) + ridge * point[1:]])
        value = (weight * np.logaddexp(0, -margin)).mean() + ridge / 2 * point[1:] @ point[1:]
        return float(value), gradient.astype(np.float64)

    def report(_: Floats) -> None:
        nonlocal done
        done += 1
        on_progress(done / params.max_iter, None)

    start = np.zeros(1 + design.shape[1])
    start[0] = np.log(weight[label].sum() / weight[~label].sum())
    options = {"maxiter": params.max_iter, "ftol": 1e-8, "gtol": 1e-6}
    point = minimize(loss, start, jac=True, method="L-BFGS-B", callback=report, options=options).x
    on_progress(1.0, None)
    width = matrix.shape[1]
    missing = np.zeros(width)
    missing[gaps] = point[1 + width :]
    coefficient = point[1 : 1 + width]
    offset = known.mean(axis=0, dtype=np.float64) * coefficient + lacking.mean(axis=0, dtype=np.float64) * missing
    return Logistic(float(point[0]), mean, scale, coefficient, missing, offset)


def standardised(matrix: Matrix, mean: Floats, scale: Floats) -> tuple[Matrix, Matrix]:
    """Both (rows, columns): standardised values, 0 where missing; and 1 where missing."""
    lacking = np.isnan(matrix)
    known = ((matrix - mean.astype(np.float32)) / scale.astype(np.float32)).clip(-_FAR, _FAR)
    known[lacking] = 0
    return known, lacking.astype(np.float32)


def _moments(matrix: Matrix) -> tuple[Floats, Floats]:
    """Mean and standard deviation of what is there; 0 and 1 of a column that has nothing or one value."""
    count = np.maximum((~np.isnan(matrix)).sum(axis=0), 1)
    mean = np.nansum(matrix, axis=0, dtype=np.float64) / count
    spread = np.sqrt(np.nansum((matrix - mean.astype(np.float32)) ** 2, axis=0, dtype=np.float64) / count)
    return mean, np.where(spread > 1e-6, spread, 1.0)


def space(trial: optuna.Trial) -> Hyperparameters:
    """Where a search looks."""
    return Hyperparameters(C=trial.suggest_float("C", 1e-4, 10, log=True))
