"""Metrics against scikit-learn's, intervals against what they claim, slices against failures put there on purpose."""

import numpy as np
import pytest
from sklearn import metrics as reference

from models.evaluate import METRICS, Evaluation, Sample, ece_interval, evaluate, interval, resamples, roc_auc
from streams.errors import DataTooThin, RequestError

NOON = np.datetime64("2024-01-15T12:00")


def world(rng, rows, *, mean=-2.0, spread=1.4, slope=1.0):
    """True chances, an outcome, and what a model says of them: honest where the slope is 1."""
    logit = rng.normal(mean, spread, rows)
    happened = rng.random(rows) < 1 / (1 + np.exp(-logit))
    return 1 / (1 + np.exp(-(slope * (logit - mean) + mean))), happened


def judged(probability, label, threshold=0.3, **arguments):
    return evaluate(probability, label, threshold, np.full(len(label), NOON), **{"count": 60} | arguments)


@pytest.fixture(scope="module")
def rows():
    probability, label = world(np.random.default_rng(1), 4_000)
    return probability.round(2), label  # many are equal


def test_metrics_are_those_of_scikit_learn_also_with_equal_probabilities(rows):
    probability, label = rows
    called = probability >= 0.3
    found = {name: metric.value for name, metric in judged(*rows).metrics.items()}
    assert tuple(found) == METRICS
    precision_recall_f1 = reference.precision_recall_fscore_support(label, called, average="binary")
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(label, probability))
    assert found["pr_auc"] == pytest.approx(reference.average_precision_score(label, probability))
    assert found["pr_auc_lift"] == pytest.approx(found["pr_auc"] / label.mean())
    assert found["brier"] == pytest.approx(reference.brier_score_loss(label, probability))
    assert found["log_loss"] == pytest.approx(reference.log_loss(label, np.clip(probability, 1e-6, 1 - 1e-6)))
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx(precision_recall_f1[:3])
    assert roc_auc(probability, label)[0] == pytest.approx(found["roc_auc"])


def test_weighing_rows_is_repeating_them(rows):
    probability, label = rows
    sample = Sample.of(probability, label, 0.3)
    (weight,) = resamples(len(label), 1, seed=3)
    times = weight.astype(int)
    repeated = Sample.of(np.repeat(sample.probability, times), np.repeat(sample.label, times), 0.3)
    found, wanted = sample.metrics(weight), repeated.metrics(np.ones(len(repeated.label)))
    del found["ece"], wanted["ece"]  # the bins stay those of the rows as they are
    assert found == pytest.approx(wanted)


def test_the_confusion_matrix_and_the_curve_agree_with_the_threshold_metrics(rows):
    found = judged(*rows)
    held = found.confusion
    assert held.true_positive + held.false_negative == found.positives
    assert held.true_negative + held.false_positive == found.rows - found.positives
    assert found.metrics["precision"].value == held.true_positive / (held.true_positive + held.false_positive)
    at_threshold = next(point for point in found.pr_curve if point.threshold == 0.3)
    assert at_threshold.recall == pytest.approx(found.metrics["recall"].value)
    assert at_threshold.precision == pytest.approx(found.metrics["precision"].value)
    recalls = [point.recall for point in found.pr_curve]
    assert recalls == sorted(recalls)
    assert recalls[-1] == 1
    assert len(recalls) <= 200


@pytest.mark.parametrize(
    ("slope", "mean", "rows"), [(1.0, -2.0, 800), (1.5, -2.0, 800), (0.5, -2.0, 800), (1.0, -4.5, 1500)]
)
def test_intervals_cover_the_truth_about_as_often_as_they_claim(slope, mean, rows):
    """Of 150 intervals at 95 %, fewer than 132 hold the truth in 1 of 1,000 trials; seeds are fixed."""
    everything = Sample.of(*world(np.random.default_rng(2), 300_000, mean=mean, slope=slope), 0.2)
    truth = everything.metrics(np.ones(300_000))
    rng = np.random.default_rng(3)
    held = dict.fromkeys(METRICS, 0)
    for trial in range(150):
        sample = Sample.of(*world(rng, rows, mean=mean, slope=slope), 0.2)
        found = sample.metrics(np.ones(rows))
        drawn = [sample.metrics(weight) for weight in resamples(rows, 80, seed=trial)]
        for name in METRICS:
            metric = interval(found[name], np.array([values[name] for values in drawn]))
            metric = ece_interval(sample, trial) if name == "ece" else metric
            held[name] += metric.low <= truth[name] <= metric.high
    assert {name: count for name, count in held.items() if count < 132} == {}


def test_calibration_shows_in_bins_that_keep_equal_probabilities_together(rows):
    probability, label = rows
    bins = judged(probability, label).reliability
    assert sum(held.rows for held in bins) == len(label)
    assert [held.predicted for held in bins] == sorted(held.predicted for held in bins)
    assert all(held.low <= held.observed <= held.high for held in bins)
    (only,) = judged(np.full(len(label), 0.15), label).reliability
    assert only.observed == pytest.approx(label.mean())


def test_an_honest_model_has_hardly_any_calibration_error_and_a_boastful_one_has():
    rng = np.random.default_rng(4)
    honest, boastful = (judged(*world(rng, 10_000, slope=slope)).metrics["ece"] for slope in (1.0, 2.0))
    assert honest.low == 0
    assert honest.high < 0.02
    assert boastful.low > 0.02


def test_a_group_where_the_model_fails_is_marked_and_a_small_one_too():
    rng = np.random.default_rng(5)
    probability, label = world(rng, 20_000)
    beat = rng.choice(["111", "112", "113", None], len(label)).astype(object)
    lucky, blind = beat == "112", beat == "113"
    label = np.where(lucky, rng.random(len(label)) < probability / 2, label)
    probability = np.where(blind, rng.permutation(probability), probability)
    beat[:30] = "999"
    dates = NOON + rng.integers(0, 60, len(label)) * np.timedelta64(1, "D")
    dates[0] = np.datetime64("NaT")
    found = evaluate(probability, label, 0.3, dates, {"beat": beat}, count=20)
    beats = {part.name: part for part in found.by_group["beat"]}
    assert {name: part.flags for name, part in beats.items() if name != "113"} == {
        "111": (), "112": ("miscalibrated",), "999": ("small",), "unknown": ()
    }  # fmt: skip
    assert "weak" in beats["113"].flags
    assert beats["112"].gap.high < 0
    assert sum(part.rows for part in beats.values()) == found.rows
    assert [part.name for part in found.by_month] == ["0000-00", "2024-01", "2024-02", "2024-03"]
    assert found.by_month[0].roc_auc is None


def test_an_evaluation_is_the_same_again_and_survives_json(rows):
    groups = {"beat": np.array(["a", None] * 2_000, dtype=object)}
    found = judged(*rows, groups=groups, seed=7)
    assert judged(*rows, groups=groups, seed=7) == found
    assert Evaluation.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("rows", "positives", "words"),
    [(99, 20, "too few"), (500, 9, "9 of 500"), (500, 0, "0 of 500"), (500, 500, "500 of 500")],
)
def test_too_few_rows_or_one_class_say_what_is_missing(rows, positives, words):
    with pytest.raises(DataTooThin, match=words) as caught:
        judged(np.full(rows, 0.5), np.arange(rows) < positives)
    assert caught.value.hint


@pytest.mark.parametrize("wrong", [np.nan, -0.1, 1.1])
def test_what_is_no_probability_is_refused(rows, wrong):
    probability = rows[0].copy()
    probability[5] = wrong
    with pytest.raises(RequestError) as caught:
        judged(probability, rows[1])
    assert caught.value.field == "probability"


def test_columns_of_other_lengths_are_refused_by_name(rows):
    with pytest.raises(RequestError) as caught:
        judged(*rows, groups={"beat": np.array(["a"])})
    assert caught.value.field == "beat"
