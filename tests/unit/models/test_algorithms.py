"""Every algorithm learns, explains, can be watched and stopped, and comes back from its files as it was."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from models.algorithms import ALGORITHMS, Fitted, forest, hist, hyperparameters, logistic
from streams.errors import DataTooThin, ModelDamaged, RequestError, TrainingCancelled
from streams.records import Algorithm

ROWS, COLUMNS = 3000, 8
SMALL: dict[str, dict[str, Any]] = {
    "logistic": {},
    "forest": {"n_estimators": 30, "max_leaf_nodes": 32},
    "xgboost": {"n_estimators": 60},
    "lightgbm": {"n_estimators": 60},
    "hist": {"max_iter": 40, "learning_rate": 0.15},
}
every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)


@cache
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A matrix with gaps, labels, and the log-odds they were drawn with: columns 0 to 2, and gaps in 3, matter."""
    random = np.random.default_rng(7)
    matrix = random.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    matrix[random.random(matrix.shape) < 0.1] = np.nan
    odds = np.nan_to_num(matrix[:, :3]) @ [1.2, -0.8, 0.5] + 1.5 * np.isnan(matrix[:, 3]) - 1
    return matrix, random.random(ROWS) < expit(odds), odds


@cache
def fitted(name: Algorithm) -> Fitted:
    matrix, label, _ = rows()
    algorithm = ALGORITHMS[name]
    return algorithm.fit(
        matrix[:2000], label[:2000], None, hyperparameters(name, SMALL[name]), lambda share, score: None
    )


@every_algorithm
def test_it_ranks_unseen_rows_nearly_as_well_as_can_be(name: Algorithm) -> None:
    matrix, label, odds = rows()
    probability = fitted(name).probability(matrix[2000:])
    assert roc_auc_score(label[2000:], probability) > roc_auc_score(label[2000:], odds[2000:]) - 0.03


@every_algorithm
def test_contributions_add_up_to_the_log_odds_less_the_average(name: Algorithm) -> None:
    matrix = rows()[0]
    contributions = fitted(name).contributions(matrix[2000:])
    assert contributions.shape == (1000, COLUMNS)
    rest = logit(fitted(name).probability(matrix[2000:])) - contributions.sum(axis=1)
    assert np.ptp(rest) < 1e-4
    size = np.abs(contributions).mean(axis=0)
    assert size[:4].min() > size[4:].max()


@every_algorithm
def test_its_files_give_the_same_classifier_again(name: Algorithm) -> None:
    matrix, files = rows()[0], fitted(name).dump()
    again = ALGORITHMS[name].load(files)
    assert again.dump() == files
    assert again.width == COLUMNS
    assert (again.probability(matrix) == fitted(name).probability(matrix)).all()
    assert np.allclose(again.contributions(matrix[:50]), fitted(name).contributions(matrix[:50]))


@every_algorithm
def test_a_row_has_the_same_probability_alone_and_among_others(name: Algorithm) -> None:
    matrix = rows()[0]
    together = fitted(name).probability(matrix[:20], threads=2)
    assert np.allclose([fitted(name).probability(matrix[i : i + 1])[0] for i in range(20)], together, rtol=1e-6)


@every_algorithm
def test_files_that_are_not_its_own_are_refused(name: Algorithm) -> None:
    (file,) = fitted(name).dump()
    for files in ({}, {file: b""}, {file: b"[1]"}, {file: b"tree\nnonsense"}, {"other.pkl": b"x"}):
        with pytest.raises(ModelDamaged):
            ALGORITHMS[name].load(files)


@every_algorithm
def test_progress_ends_at_one_and_may_cancel(name: Algorithm) -> None:
    matrix, label, _ = rows()
    params = hyperparameters(name, SMALL[name])
    shares: list[float] = []
    ALGORITHMS[name].fit(matrix, label, None, params, lambda share, score: shares.append(share))
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert shares[-1] == 1

    def cancel(share: float, score: float | None) -> None:
        raise TrainingCancelled("somebody asked for it")

    with pytest.raises(TrainingCancelled):
        ALGORITHMS[name].fit(matrix, label, None, params, cancel)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "hist"])
def test_a_booster_stops_by_the_newest_rows_and_tells_their_score(name: Algorithm) -> None:
    matrix, label, _ = rows()
    key = "max_iter" if name == "hist" else "n_estimators"
    heard: list[tuple[float, float | None]] = []
    params = hyperparameters(name, {key: 400, "learning_rate": 0.5})
    ALGORITHMS[name].fit(matrix, label, None, params, lambda *told: heard.append(told))
    assert heard[-2][0] < 0.5
    assert 0.6 < (heard[-2][1] or 0) < 0.95


@every_algorithm
def test_balanced_classes_raise_the_probabilities_and_weights_count(name: Algorithm) -> None:
    matrix, label, _ = rows()
    algorithm, rare = ALGORITHMS[name], label & (np.arange(ROWS) % 4 == 0)
    plain = algorithm.fit(matrix, rare, None, hyperparameters(name, SMALL[name]), lambda *told: None)
    params = hyperparameters(name, SMALL[name] | {"balance": True})
    balanced = algorithm.fit(matrix, rare, None, params, lambda *told: None)
    by_hand = np.where(rare, (~rare).sum() / rare.sum(), 1.0)
    weighted = algorithm.fit(matrix, rare, by_hand, hyperparameters(name, SMALL[name]), lambda *told: None)
    assert plain.probability(matrix).mean() == pytest.approx(rare.mean(), abs=0.03)
    assert balanced.probability(matrix).mean() > 0.3
    assert np.allclose(weighted.probability(matrix), balanced.probability(matrix))


@every_algorithm
def test_labels_of_one_kind_are_too_thin(name: Algorithm) -> None:
    matrix = rows()[0]
    with pytest.raises(DataTooThin, match="same label"):
        ALGORITHMS[name].fit(matrix, np.zeros(ROWS, bool), None, hyperparameters(name, {}), lambda *told: None)


@every_algorithm
def test_few_rows_are_enough_to_fit(name: Algorithm) -> None:
    matrix, label, _ = rows()
    algorithm = ALGORITHMS[name]
    few = algorithm.fit(matrix[:60], label[:60], None, hyperparameters(name, {}), lambda *told: None)
    assert np.isfinite(few.probability(matrix)).all()


def test_trees_of_scikit_learn_predict_what_scikit_learn_predicts() -> None:
    matrix, label, _ = rows()
    params = hist.Hyperparameters(max_iter=40)
    kept = hist.fit(matrix[:90], label[:90], None, params, lambda *told: None)  # too few to hold any back
    theirs = HistGradientBoostingClassifier(
        **params.model_dump(exclude={"balance"}), early_stopping=False, random_state=hist.SEED, max_bins=127
    )
    expected = theirs.fit(matrix[:90], label[:90]).predict_proba(matrix)[:, 1]
    assert np.ptp(expected) > 0.1
    assert np.allclose(kept.probability(matrix), expected, atol=1e-12)


def test_a_linear_contribution_is_the_coefficient_times_the_distance_from_the_mean() -> None:
    matrix, model = rows()[0], fitted("logistic")
    assert isinstance(model, logistic.Logistic)
    full = matrix[:1].copy()
    full[np.isnan(full)] = 0.5
    moved = full.copy()
    moved[0, 1] += 0.25
    step = model.contributions(moved) - model.contributions(full)
    assert step[0, 1] == pytest.approx(0.25 * model.coefficient[1] / model.scale[1], rel=1e-4)
    assert np.abs(np.delete(step[0], 1)).max() < 1e-9


@every_algorithm
def test_a_wrong_hyperparameter_is_named_with_what_there_is(name: Algorithm) -> None:
    with pytest.raises(RequestError, match="no such hyperparameter") as unknown:
        hyperparameters(name, {"depth": 3})
    assert unknown.value.field == "hyperparameters.depth"
    assert "balance" in (unknown.value.hint or "")
    bounded = next(field for field in ALGORITHMS[name].Hyperparameters.model_fields if field != "balance")
    with pytest.raises(RequestError, match=bounded) as far:
        hyperparameters(name, {bounded: -1})
    assert far.value.field == f"hyperparameters.{bounded}"


def test_a_forest_is_averaged_so_more_trees_do_not_make_it_surer() -> None:
    matrix, label, _ = rows()
    spread = []
    for trees in (10, 60):
        params = forest.Hyperparameters(n_estimators=trees, max_leaf_nodes=16)
        spread.append(np.std(logit(forest.fit(matrix, label, None, params, lambda *told: None).probability(matrix))))
    assert spread[1] == pytest.approx(spread[0], rel=0.2)
