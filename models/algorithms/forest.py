"""A random forest: deep trees, each of other rows and columns, averaged.

LightGBM grows it. From its constant first guess, the gain of a split is the gain in Gini impurity and a leaf says its
share of positives, as log-odds around the average row; so contributions are exact and in log-odds, too.
"""

from typing import Final

import optuna
from pydantic import Field

from models.algorithms import protocol
from models.algorithms.grow import grow
from models.algorithms.protocol import Floats, Labels, Matrix, OnProgress
from models.algorithms.trees import Trees

load: Final = Trees.load


class Hyperparameters(protocol.Hyperparameters):
    """By scikit-learn's names."""

    n_estimators: int = Field(200, ge=1, le=2000, description="trees")
    max_leaf_nodes: int = Field(256, ge=2, le=8192, description="leaves of a tree at most")
    max_depth: int = Field(12, ge=1, le=40, description="questions on the way to a leaf at most")
    min_samples_leaf: int = Field(20, ge=1, le=100_000, description="rows of a leaf at least")
    max_samples: float = Field(0.6, gt=0, lt=1, description="share of the rows that a tree sees")
    max_features: float = Field(0.25, gt=0, le=1, description="share of the columns that a split may choose from")


def fit(
    matrix: Matrix,
    label: Labels,
    weight: Floats | None,
    params: Hyperparameters,
    on_progress: OnProgress,
    *,
    threads: int = 1,
) -> Trees:
    """Grow all trees. As `protocol.Fit` says; there is no score before the end."""
    options = {
        "boosting": "rf",
        "num_leaves": params.max_leaf_nodes,
        "max_depth": params.max_depth,
        "min_data_in_leaf": params.min_samples_leaf,
        "min_sum_hessian_in_leaf": 0,
        "bagging_fraction": params.max_samples,
        "bagging_freq": 1,
        "feature_fraction_bynode": params.max_features,
        "num_threads": threads,
    }
    part = protocol.Part(matrix, label, protocol.weights(label, weight, params.balance))
    return grow(part, None, options, params.n_estimators, on_progress)


def space(trial: optuna.Trial) -> Hyperparameters:
    """Where a search looks."""
    return Hyperparameters(
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 32, 1024, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 5, 200, log=True),
        max_samples=trial.suggest_float("max_samples", 0.3, 0.9),
        max_features=trial.suggest_float("max_features", 0.05, 0.8, log=True),
    )
