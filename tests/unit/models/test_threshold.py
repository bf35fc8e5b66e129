"""The threshold is the one that was asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from models.threshold import threshold_for
from streams.errors import DataTooThin, RequestError

# Few values, so that there are ties.
scored = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=40).filter(
    lambda rows: any(label for _, label in rows)
)


def columns(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([value / 10 for value, _ in rows]), np.array([label for _, label in rows])


@given(scored, st.sampled_from([0.1, 0.5, 0.7, 0.8, 1.0]))
def test_a_recall_is_reached_by_the_highest_threshold(rows: list[tuple[int, bool]], recall: float) -> None:
    probability, label = columns(rows)
    threshold = threshold_for(probability, label, recall=recall)
    assert recall_score(label, probability >= threshold) >= recall - 1e-9
    higher = probability[probability > threshold]
    if len(higher):
        assert recall_score(label, probability >= higher.min()) < recall


@given(scored)
def test_without_a_wish_no_threshold_has_a_greater_f1(rows: list[tuple[int, bool]]) -> None:
    probability, label = columns(rows)
    chosen = f1_score(label, probability >= threshold_for(probability, label))
    assert chosen == pytest.approx(max(f1_score(label, probability >= value) for value in probability))


def test_a_cost_gives_the_threshold_of_the_least_expected_cost() -> None:
    random = np.random.default_rng(1)
    probability = random.random(200_000)
    label = random.random(200_000) < probability
    threshold = threshold_for(probability, label, cost=4)
    assert threshold == pytest.approx(0.2)

    def cost(at: float) -> float:
        return float((4 * (label & (probability < at)) + (~label & (probability >= at))).mean())

    assert cost(threshold) < min(cost(threshold - 0.05), cost(threshold + 0.05))


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"recall": 0}, "recall"),
        ({"recall": 1.1}, "recall"),
        ({"cost": 0}, "cost"),
        ({"cost": float("nan")}, "cost"),
        ({"recall": 0.5, "cost": 2}, "cost"),
    ],
)
def test_a_wish_that_cannot_be_is_named(wish: dict[str, float], field: str) -> None:
    with pytest.raises(RequestError) as refused:
        threshold_for(np.array([0.2, 0.4]), np.array([False, True]), **wish)
    assert refused.value.field == field
    assert refused.value.hint


def test_without_a_positive_row_there_is_no_recall_to_reach() -> None:
    with pytest.raises(DataTooThin):
        threshold_for(np.array([0.2]), np.array([False]), recall=0.5)
