"""Histogram gradient boosting by scikit-learn, the plain baseline; its trees are kept and evaluated as LightGBM's."""

from typing import Any, Final

import numpy as np
import optuna
from pydantic import Field
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from models.algorithms import protocol
from models.algorithms.protocol import BLIND_ROUNDS, SEED, Floats, Labels, Matrix, OnProgress
from models.algorithms.trees import Trees

load: Final = Trees.load

# It goes on from where it was in so many rounds: it has no callbacks, and bins all rows anew each time.
_STEP: Final = 20


class Hyperparameters(protocol.Hyperparameters):
    """scikit-learn's own, by its names."""

    max_iter: int = Field(300, ge=1, le=5000, description="trees at most")
    learning_rate: float = Field(0.08, ge=0.001, le=1, description="how much of a tree's advice is taken")
    max_leaf_nodes: int = Field(15, ge=2, le=1024, description="leaves of a tree at most")
    min_samples_leaf: int = Field(30, ge=1, le=100_000, description="rows of a leaf at least")
    l2_regularization: float = Field(5, ge=0, le=10_000, description="L2 penalty on a leaf's weight")
    max_features: float = Field(0.6, gt=0, le=1, description="share of the columns that a split may choose from")


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
    rounds = params.max_iter if newest else min(params.max_iter, BLIND_ROUNDS)
    classifier = HistGradientBoostingClassifier(
        **params.model_dump(exclude={"balance", "max_iter"}),
        early_stopping=False,
        warm_start=True,
        random_state=SEED,
        max_bins=127,
    )
    best, kept = np.inf, 0
    # Binning by weighted quantiles takes minutes, so weights are only given where they differ.
    weights = part.weight if np.ptp(part.weight) else None
    for trees in [*range(_STEP, rounds, _STEP), rounds]:
        with threadpool_limits(threads):
            classifier.set_params(max_iter=trees).fit(part.matrix, part.label, weights)
        score = None
        if newest:
            with threadpool_limits(threads):
                probability = classifier.predict_proba(newest.matrix)[:, 1]
            score = protocol.roc_auc(newest, probability)
            loss = log_loss(newest.label, probability, sample_weight=newest.weight)
            if loss >= best:
                break
            best = loss
        kept = trees
        on_progress(trees / rounds, score)
    on_progress(1.0, None)
    return Trees(_text(classifier, kept, matrix.shape[1]))


def _text(classifier: Any, trees: int, width: int) -> str:
    """The first `trees` of scikit-learn's, in LightGBM's format; the constant first guess is in the first tree."""
    start = float(np.ravel(classifier._baseline_prediction)[0])
    nodes = [trees_of_round[0].nodes for trees_of_round in classifier._predictors[:trees]]
    blocks = [f"Tree={number}\n{_tree(tree, start if number == 0 else 0.0)}\n\n\n" for number, tree in enumerate(nodes)]
    head = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={width - 1}",
        "objective=binary sigmoid:1",
        "feature_names=" + " ".join(f"Column_{column}" for column in range(width)),
        "feature_infos=" + " ".join("[-inf:inf]" for _ in range(width)),
        "tree_sizes=" + " ".join(str(len(block)) for block in blocks),
    ]
    return "\n".join(head) + "\n\n" + "".join(blocks) + "end of trees\n\nparameters:\nend of parameters\n"


def _tree(nodes: Any, start: float) -> str:
    """One tree. LightGBM numbers splits and leaves each from 0, and writes a child that is a leaf as ~number."""
    is_leaf = nodes["is_leaf"].astype(bool)
    number = np.where(is_leaf, ~(np.cumsum(is_leaf) - 1), np.cumsum(~is_leaf) - 1)
    leaves, splits = nodes[is_leaf], nodes[~is_leaf]
    fields: dict[str, Any] = {
        "num_leaves": [len(leaves)],
        "num_cat": [0],
        "split_feature": splits["feature_idx"],
        "split_gain": np.zeros(len(splits), dtype=int),
        # A split of what is there from what is missing is at infinity, which LightGBM's text has no word for.
        "threshold": np.minimum(splits["num_threshold"], 1e300),
        # Missing is NaN (8), and goes left (2) or right.
        "decision_type": 8 + 2 * splits["missing_go_to_left"].astype(int),
        "left_child": number[splits["left"]],
        "right_child": number[splits["right"]],
        "leaf_value": leaves["value"] + start,
        "leaf_weight": leaves["count"],
        "leaf_count": leaves["count"],
        "internal_value": splits["value"],
        "internal_weight": splits["count"],
        "internal_count": splits["count"],
        "is_linear": [0],
        "shrinkage": [1],
    }
    return "\n".join(f"{name}={' '.join(map(repr, np.asarray(values).tolist()))}" for name, values in fields.items())


def space(trial: optuna.Trial) -> Hyperparameters:
    """Where a search looks."""
    return Hyperparameters(
        learning_rate=trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 4, 63, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 5, 500, log=True),
        l2_regularization=trial.suggest_float("l2_regularization", 0.1, 100, log=True),
        max_features=trial.suggest_float("max_features", 0.2, 1),
    )
