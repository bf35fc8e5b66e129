"""Gradient boosting by XGBoost: depth-wise trees over histograms."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Self

import numpy as np
import optuna
import xgboost
from pydantic import Field

from models.algorithms import protocol
from models.algorithms.protocol import BLIND_ROUNDS, SEED, Floats, Labels, Matrix, OnProgress, Part
from streams.errors import ModelDamaged

FILE: Final = "classifier.xgboost.ubj"


class Hyperparameters(protocol.Hyperparameters):
    """XGBoost's own, by its names."""

    n_estimators: int = Field(400, ge=1, le=5000, description="trees at most")
    learning_rate: float = Field(0.08, ge=0.001, le=1, description="how much of a tree's advice is taken")
    max_depth: int = Field(4, ge=1, le=15, description="questions on the way to a leaf at most")
    min_child_weight: float = Field(5, ge=0, le=100_000, description="sum of the hessian of a leaf at least")
    subsample: float = Field(0.8, gt=0, le=1, description="share of the rows that a tree sees")
    colsample_bytree: float = Field(0.6, gt=0, le=1, description="share of the columns that a tree sees")
    reg_lambda: float = Field(5, ge=0, le=10_000, description="L2 penalty on a leaf's weight")
    gamma: float = Field(0, ge=0, le=1000, description="gain of a split at least")
    early_stopping_rounds: int = Field(40, ge=1, le=1000, description="rounds without gain after which it ends")


class Booster:
    """A classifier of XGBoost. A booster has its number of threads built in, so there is one for each."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._with_threads = lru_cache(maxsize=4)(self._opened)
        self.width = int(self._with_threads(1).num_features())

    def _opened(self, threads: int) -> xgboost.Booster:
        booster = xgboost.Booster({"nthread": threads})
        booster.load_model(bytearray(self._content))
        booster.set_param({"nthread": threads})
        return booster

    def probability(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Of (rows, columns) with NaN for missing: the uncalibrated probability of each row."""
        return np.asarray(self._with_threads(threads).inplace_predict(matrix), dtype=np.float64)

    def contributions(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Shapley values in log-odds, (rows, columns), by TreeSHAP."""
        rows = xgboost.DMatrix(matrix, nthread=threads)
        values = self._with_threads(threads).predict(rows, pred_contribs=True)
        return np.asarray(values, dtype=np.float64)[:, :-1]

    def dump(self) -> dict[str, bytes]:
        """XGBoost's UBJSON."""
        return {FILE: self._content}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `dump` gave; raises `ModelDamaged`."""
        content = protocol.only_file(files, FILE)
        if not content.startswith(b"{"):  # XGBoost would end the process, instead of raising
            raise ModelDamaged(f"{FILE} is no UBJSON", hint="train the model again")
        try:
            return cls(content)
        except xgboost.core.XGBoostError as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelDamaged(f"{FILE} is not readable: {reason}", hint="train the model again") from error


load: Final = Booster.load


class _Report(xgboost.callback.TrainingCallback):
    def __init__(self, rounds: int, on_progress: OnProgress) -> None:
        self._rounds, self._on_progress = rounds, on_progress

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        """Tell of the round; never ends the training but by raising."""
        scores = evals_log.get("newest", {}).get("auc")
        self._on_progress((epoch + 1) / self._rounds, float(scores[-1]) if scores else None)
        return False


def fit(
    matrix: Matrix,
    label: Labels,
    weight: Floats | None,
    params: Hyperparameters,
    on_progress: OnProgress,
    *,
    threads: int = 1,
) -> Booster:
    """Boost until the newest rows gain no more; without enough of those, a few rounds. As `protocol.Fit` says."""
    part, newest = protocol.held_back(matrix, label, protocol.weights(label, weight, params.balance))
    train = _rows(part, threads)
    rounds = params.n_estimators if newest else min(params.n_estimators, BLIND_ROUNDS)
    callbacks: list[xgboost.callback.TrainingCallback] = [_Report(rounds, on_progress)]
    if newest:
        stop = xgboost.callback.EarlyStopping(
            rounds=params.early_stopping_rounds, metric_name="logloss", data_name="newest", save_best=True
        )
        callbacks.append(stop)
    booster = xgboost.train(
        {
            **params.model_dump(exclude={"balance", "n_estimators", "early_stopping_rounds"}),
            "objective": "binary:logistic",
            "eval_metric": ["auc", "logloss"],
            "tree_method": "hist",
            "max_bin": 128,
            "nthread": threads,
            "seed": SEED,
        },
        train,
        rounds,
        evals=[(_rows(newest, threads, train), "newest")] if newest else [],
        verbose_eval=False,
        callbacks=callbacks,
    )
    on_progress(1.0, None)
    return Booster(bytes(booster.save_raw("ubj")))


def _rows(part: Part, threads: int, like: xgboost.QuantileDMatrix | None = None) -> xgboost.QuantileDMatrix:
    return xgboost.QuantileDMatrix(part.matrix, part.label, weight=part.weight, ref=like, nthread=threads, max_bin=128)


def space(trial: optuna.Trial) -> Hyperparameters:
    """Where a search looks."""
    return Hyperparameters(
        n_estimators=1500,
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        max_depth=trial.suggest_int("max_depth", 2, 7),
        min_child_weight=trial.suggest_float("min_child_weight", 0.5, 100, log=True),
        subsample=trial.suggest_float("subsample", 0.5, 1),
        colsample_bytree=trial.suggest_float("colsample_bytree", 0.2, 1),
        reg_lambda=trial.suggest_float("reg_lambda", 0.1, 100, log=True),
    )
