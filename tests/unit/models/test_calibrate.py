"""Calibration makes raw probabilities true, in order, and never certain."""

import numpy as np
import pytest
from scipy.special import expit, logit

from models.calibrate import Calibration
from streams.errors import DataTooThin, ModelDamaged


def drawn(rows: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities, about one in five, and outcomes."""
    random = np.random.default_rng(seed)
    true = expit(random.normal(-1.6, 1.1, rows))
    return true, random.random(rows) < true


DISTORTIONS = {
    "shifted": lambda p: expit(logit(p) + 1.5),
    "too sure": lambda p: expit(2.5 * logit(p)),
    "one-sided": lambda p: 1 - (1 - p) ** 3,
    "stepped": lambda p: expit(logit(p) + 2 * (p > 0.3) - 1),
}


@pytest.mark.parametrize("distorted", DISTORTIONS)
def test_distorted_probabilities_become_true_again(distorted: str) -> None:
    true, label = drawn(20_000)
    fresh, _ = drawn(5_000, seed=4)
    calibration = Calibration.fit(DISTORTIONS[distorted](true), label)
    calibrated = calibration.apply(DISTORTIONS[distorted](fresh))
    assert np.abs(calibrated - fresh).mean() < 0.012
    assert np.abs(DISTORTIONS[distorted](fresh) - fresh).mean() > 0.04


def test_the_kind_follows_the_rows() -> None:
    true, label = drawn(20_000)
    assert Calibration.fit(expit(2 * logit(true) + 1), label).kind == "platt"
    assert Calibration.fit(1 - (1 - true) ** 6, label).kind == "beta"
    assert Calibration.fit(DISTORTIONS["stepped"](true), label).kind == "isotonic"


@pytest.mark.parametrize("distorted", DISTORTIONS)
def test_values_keep_their_order_and_are_never_certain(distorted: str) -> None:
    true, label = drawn(3000)
    calibration = Calibration.fit(DISTORTIONS[distorted](true), label)
    values = calibration.apply(np.concatenate([[0, 1e-12], np.linspace(0, 1, 1001), [1]]).clip(0, 1)[2:])
    assert (np.diff(values) >= 0).all()
    assert values.min() > 0
    assert values.max() < 1


def test_what_ranks_backwards_is_not_turned_round() -> None:
    true, label = drawn(3000)
    values = Calibration.fit(1 - true, label).apply(np.linspace(0.01, 0.99, 50))
    assert (np.diff(values) >= 0).all()
    assert values == pytest.approx(np.full(50, label.mean()), abs=0.05)


@pytest.mark.parametrize("distorted", DISTORTIONS)
def test_it_comes_back_from_json_as_it_was(distorted: str) -> None:
    true, label = drawn(3000)
    calibration = Calibration.fit(DISTORTIONS[distorted](true), label)
    assert Calibration.from_json(calibration.to_json()) == calibration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"kind": "pickle", "values": [1, 1, 0]}',
        '{"kind": "platt", "values": [1, 1]}',
        '{"kind": "platt", "values": [-1, 1, 0]}',
        '{"kind": "beta", "values": [NaN, 1, 0]}',
        '{"kind": "isotonic", "values": [0.2, 0.1, 0.3, 0.4]}',
        '{"kind": "isotonic", "values": []}',
    ],
)
def test_json_that_is_no_calibration_is_refused(text: str) -> None:
    with pytest.raises(ModelDamaged, match="calibration is not readable"):
        Calibration.from_json(text)


def test_a_class_with_fewer_rows_than_folds_is_too_thin() -> None:
    true, _ = drawn(100)
    with pytest.raises(DataTooThin, match="positive"):
        Calibration.fit(true, np.arange(100) < 3)
