"""Growing trees with LightGBM, one after the other, so that somebody can watch and stop it."""

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
from lightgbm.callback import CallbackEnv

from models.algorithms.protocol import SEED, OnProgress, Part
from models.algorithms.trees import Trees


def grow(
    part: Part,
    newest: Part | None,
    options: Mapping[str, Any],
    rounds: int,
    on_progress: OnProgress,
    callbacks: Sequence[Any] = (),
) -> Trees:
    """At most `rounds` trees from `part`, scored on `newest`; `on_progress` is called after each."""

    def report(env: CallbackEnv) -> None:
        scores = {name: value for _, name, value, *_ in env.evaluation_result_list or ()}
        on_progress((env.iteration + 1) / rounds, float(scores["auc"]) if scores else None)

    settings = {
        "objective": "binary",
        "metric": ["binary_logloss", "auc"],
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
        "max_bin": 127,
        **options,
    }
    train = lightgbm.Dataset(part.matrix, part.label, weight=part.weight)
    held = [train.create_valid(newest.matrix, newest.label, weight=newest.weight)] if newest else []
    booster = lightgbm.train(settings, train, rounds, valid_sets=held, callbacks=[report, *callbacks])
    on_progress(1.0, booster.best_score.get("valid_0", {}).get("auc"))
    return Trees(booster.model_to_string(num_iteration=booster.best_iteration or -1))
