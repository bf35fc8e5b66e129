"""Gradient boosting by LightGBM: leaf-wise trees."""

from typing import Final

import lightgbm
import optuna
from pydantic import Field

from models.algorithms import protocol
from models.algorithms.grow import grow
from models.algorithms.protocol import BLIND_ROUNDS, Floats, Labels, Matrix, OnProgress
from models.algorithms.trees import Trees

load: Final = Trees.load


class Hyperparameters(protocol.Hyperparameters):
    """LightGBM's own, by its scikit-learn names."""

    n_estimators: int = Field(400, ge=1, le=5000, description="trees at most")
    learning_rate: float = Field(0.06, ge=0.001, le=1, description="how much of a tree's advice is taken")
    num_leaves: int = Field(15, ge=2, le=1024, description="leaves of a tree at most")
    max_depth: int = Field(7, ge=1, le=20, description="questions on the way to a leaf at most")
    min_child_samples: int = Field(30, ge=1, le=100_000, description="rows of a leaf at least")
    subsample: float = Field(0.8, gt=0, le=1, description="share of the rows that a tree sees")
    colsample_bytree: float = Field(0.6, gt=0, le=1, description="share of the columns that a tree sees")
    reg_lambda: float = Field(5, ge=0, le=10_000, description="L2 penalty on a leaf's weight")
    early_stopping_rounds: int = Field(40, ge=1, le=1000, description="rounds without gain after which it ends")


def fit(
    matrix: Matrix,
    label: Labels,
    weight: Floats | None,
    params: Hyperparameters,
    on_progress: OnProgress,
    *,
    threads: int = 1,
) -> Trees:
    """Boost until the newest rows gain no more; without enough of those, a few rounds. As `protocol.Fit` says."""
    part, newest = protocol.held_back(matrix, label, protocol.weights(label, weight, params.balance))
    options = {
        **params.model_dump(exclude={"balance", "n_estimators", "early_stopping_rounds"}),
        "bagging_freq": 1,
        "num_threads": threads,
    }
    rounds = params.n_estimators if newest else min(params.n_estimators, BLIND_ROUNDS)
    stop = [lightgbm.early_stopping(params.early_stopping_rounds, first_metric_only=True, verbose=False)]
    return grow(part, newest, options, rounds, on_progress, stop if newest else [])


def space(trial: optuna.Trial) -> Hyperparameters:
    """Where a search looks."""
    return Hyperparameters(
        n_estimators=1500,
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.2, log=True),
        num_leaves=trial.suggest_int("num_leaves", 4, 63, log=True),
        min_child_samples=trial.suggest_int("min_child_samples", 5, 500, log=True),
        subsample=trial.suggest_float("subsample", 0.5, 1),
        colsample_bytree=trial.suggest_float("colsample_bytree", 0.2, 1),
        reg_lambda=trial.suggest_float("reg_lambda", 0.1, 100, log=True),
    )
