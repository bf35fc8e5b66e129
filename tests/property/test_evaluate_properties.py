"""What holds of an evaluation whatever the rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.drift import psi
from models.evaluate import LOWER_IS_BETTER, METRICS, evaluate

DAY = np.datetime64("2024-01-01")


@st.composite
def rows(draw):
    """Probabilities, with many equal ones as a rule, and outcomes of both kinds."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(100, 400))
    probability = rng.integers(0, draw(st.integers(1, 1000)), count, endpoint=True) / 1000
    label = rng.random(count) < draw(st.floats(0, 1)) * probability
    label[:10], label[-10:] = True, False
    return probability, label


def judged(probability, label, threshold=0.3):
    return evaluate(probability, label, threshold, np.full(len(label), DAY), count=20)


@given(rows(), st.floats(0, 1))
def test_values_lie_in_their_intervals_and_shares_between_0_and_1(given_rows, threshold):
    found = judged(*given_rows, threshold)
    for name, metric in found.metrics.items():
        assert metric.low <= metric.value <= metric.high
        assert np.isfinite([metric.low, metric.high]).all()
        assert name in ("brier_skill", "pr_auc_lift", "log_loss") or 0 <= metric.low <= metric.high <= 1
    assert sum(held.rows for held in found.reliability) == found.rows
    assert sum(found.confusion.model_dump().values()) == found.rows
    assert sum(part.rows for part in found.by_month) == found.rows


@given(rows(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_no_value(given_rows, random):
    probability, label = given_rows
    order = list(range(len(label)))
    random.shuffle(order)
    one, other = judged(probability, label), judged(probability[order], label[order])
    assert one.confusion == other.confusion
    assert np.allclose([one.metrics[n].value for n in METRICS], [other.metrics[n].value for n in METRICS])


@given(rows())
def test_turning_the_order_of_scores_around_turns_roc_auc_around(given_rows):
    probability, label = given_rows
    one, other = (judged(p, label).metrics["roc_auc"].value for p in (probability, 1 - probability))
    assert np.isclose(one + other, 1)


@given(rows())
def test_nothing_is_better_than_knowing(given_rows):
    _, label = given_rows
    known, guessed = judged(label.astype(float), label).metrics, judged(*given_rows).metrics
    for name in METRICS:
        guess = guessed[name].value
        assert known[name].value <= guess + 1e-6 if name in LOWER_IS_BETTER else known[name].value >= guess


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12))
def test_the_stability_index_is_never_negative_and_the_same_both_ways(counts):
    one, other = zip(*counts, strict=True)
    assert psi(one, other) >= -1e-12
    assert np.isclose(psi(one, other), psi(other, one))
    assert psi(one, one) == 0
