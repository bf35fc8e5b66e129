"""A candidate beside the serving model, on the same rows."""

import numpy as np
import pytest

from models.compare import Comparison, compare
from models.evaluate import evaluate
from streams.errors import DataTooThin, RequestError


def logistic(logit):
    return 1 / (1 + np.exp(-logit))


@pytest.fixture(scope="module")
def rows():
    """Chances, outcomes, and the chances as one sees them who knows less."""
    rng = np.random.default_rng(1)
    known, hidden = rng.normal(-2, 1.2, 4_000), rng.normal(0, 0.6, 4_000)
    return logistic(known + hidden), rng.random(4_000) < logistic(known + hidden), logistic(known)


def test_who_knows_more_is_better_and_the_other_way_round_worse(rows):
    more, label, less = rows
    found = compare(more, less, label, thresholds=(0.2, 0.2), count=100)
    assert found.verdict == "better"
    assert {found.metrics[name].verdict for name in ("roc_auc", "pr_auc", "brier", "log_loss")} == {"better"}
    turned = compare(less, more, label, thresholds=(0.2, 0.2), count=100)
    assert turned.verdict == "worse"
    assert turned.metrics["brier"].difference.value == -found.metrics["brier"].difference.value


def test_a_pair_tells_more_than_two_intervals_side_by_side(rows):
    more, label, less = rows
    found = compare(more, less, label, thresholds=(0.2, 0.2), count=100).metrics["roc_auc"].difference
    alone = evaluate(more, label, 0.2, np.full(len(label), np.datetime64("2024-01-01")), count=100).metrics["roc_auc"]
    assert found.high - found.low < 0.7 * (alone.high - alone.low)


def test_a_model_does_not_differ_from_itself(rows):
    more, label, _ = rows
    found = compare(more, more, label, thresholds=(0.2, 0.2), count=50)
    assert found.verdict == "no clear difference"
    assert {held.verdict for held in found.metrics.values()} == {"no clear difference"}
    assert found.metrics["roc_auc"].difference.value == 0


def test_better_in_one_and_worse_in_another_is_no_clear_difference(rows):
    more, label, less = rows
    boastful = np.clip(more * 2.5, 0, 1)  # ranks better, lies about how likely
    found = compare(boastful, less, label, thresholds=(0.2, 0.2), count=100)
    assert (found.metrics["roc_auc"].verdict, found.metrics["brier"].verdict) == ("better", "worse")
    assert found.verdict == "no clear difference"


def test_only_the_threshold_may_differ(rows):
    more, label, _ = rows
    found = compare(more, more, label, thresholds=(0.1, 0.5), count=50)
    assert found.metrics["recall"].verdict == "better"
    assert found.verdict == "no clear difference"


def test_models_of_equal_worth_rarely_look_different():
    """Each sees half of the causes. Of 100 verdicts at 95 %, more than 13 are wrong once in 2,000 times."""
    rng = np.random.default_rng(2)
    clear = 0
    for trial in range(100):
        one, other = rng.normal(0, 1, (2, 600))
        label = rng.random(600) < logistic(one + other - 1.5)
        found = compare(logistic(one - 1.5), logistic(other - 1.5), label, thresholds=(0.5, 0.5), seed=trial, count=80)
        clear += found.metrics["roc_auc"].verdict != "no clear difference"
    assert clear <= 13


def test_a_comparison_survives_json_and_is_the_same_again(rows):
    more, label, less = rows
    found = compare(more, less, label, thresholds=(0.2, 0.3), seed=4, count=30)
    assert Comparison.model_validate_json(found.model_dump_json()) == found
    assert compare(more, less, label, thresholds=(0.2, 0.3), seed=4, count=30) == found


def test_other_rows_or_too_few_are_refused(rows):
    more, label, less = rows
    with pytest.raises(RequestError):
        compare(more, less[:-1], label, thresholds=(0.2, 0.2))
    with pytest.raises(DataTooThin):
        compare(more[:50], less[:50], label[:50], thresholds=(0.2, 0.2))
