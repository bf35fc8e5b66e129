"""How far rows have moved from those a model was trained on."""

import numpy as np
import polars as pl
import pytest

from models.drift import Histogram, Reference, drift, psi
from streams.errors import RequestError

FEATURES = ["age", "pedestrians", "weather", "is_weekend"]


def crashes(rows, seed, *, age=40.0, walking=0.03, skies=("CLEAR", "RAIN"), missing=0.1):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "age": pl.Series(rng.normal(age, 10, rows)).set(pl.Series(rng.random(rows) < missing), None),
            "pedestrians": (rng.random(rows) < walking).astype(float),
            "weather": rng.choice(skies, rows),
            "is_weekend": rng.random(rows) < 0.3,
        }
    )


def scores(rows, seed, spread=1.0):
    return np.random.default_rng(seed).beta(2, 10 / spread, rows)


@pytest.fixture(scope="module")
def reference():
    return Reference.of(crashes(6_000, 1), FEATURES, scores(6_000, 1))


def bands(reference, frame, probability):
    found = drift(reference, reference.count(frame, probability))
    return {name: shift.band for name, shift in found.features.items()} | {"scores": found.scores.band}


def test_rows_like_those_before_are_stable(reference):
    assert set(bands(reference, crashes(3_000, 2), scores(3_000, 2)).values()) == {"stable"}


@pytest.mark.parametrize(
    ("change", "moved", "band"),
    [
        ({"age": 44.5}, "age", "shifted"),
        ({"age": 55}, "age", "drifted"),
        ({"missing": 0.5}, "age", "drifted"),
        ({"walking": 0.15}, "pedestrians", "shifted"),
        ({"skies": ("CLEAR", "HAIL")}, "weather", "drifted"),
    ],
)
def test_what_has_moved_is_named_and_nothing_else(reference, change, moved, band):
    found = bands(reference, crashes(3_000, 3, **change), scores(3_000, 3))
    assert {name: held for name, held in found.items() if held != "stable"} == {moved: band}


def test_scores_that_moved_show(reference):
    assert bands(reference, crashes(3_000, 4), scores(3_000, 4, spread=2))["scores"] == "drifted"


def test_few_rows_raise_no_alarm(reference):
    found = bands(reference, crashes(40, 5), scores(40, 5))
    assert (found["age"], found["scores"]) == ("too few rows", "too few rows")


def test_counts_of_batches_add_up_to_the_counts_of_all(reference):
    frame, probability = crashes(3_000, 6, age=50), scores(3_000, 6)
    parts = [reference.count(frame[at : at + 700], probability[at : at + 700]) for at in range(0, 3_000, 700)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert total == reference.count(frame, probability)
    assert total.rows == 3_000


def test_no_rows_are_no_drift(reference):
    found = drift(reference, reference.count(crashes(0, 7), np.empty(0)))
    assert found.scores.band == "too few rows"


def test_a_reference_survives_json(reference):
    assert Reference.model_validate_json(reference.model_dump_json()) == reference


def test_counts_of_other_bins_do_not_add_up(reference):
    other = Reference.of(crashes(500, 8), FEATURES, scores(500, 8))
    with pytest.raises(RequestError):
        reference + other


def test_a_number_of_few_values_has_a_bin_for_each_and_others_have_equal_masses():
    assert Histogram.of(pl.Series([0.0, 0.0, 0.0, 1.0, 2.0, None])).counts == (3, 1, 1, 1)
    assert Histogram.of(pl.Series(np.arange(1_000.0))).counts == (*[100] * 10, 0)
    assert Histogram.of(pl.Series([None, None], dtype=pl.Float64)).counts == (0, 2)
    assert Histogram.of(pl.Series([None, "A"])).count(pl.Series(["A", "B", None])).counts == (1, 1, 1)


def test_the_index_is_the_textbooks():
    assert psi([50, 50], [50, 50]) == 0
    assert psi([80, 20], [60, 40]) == pytest.approx(0.2 * np.log(80 / 60) + 0.2 * np.log(40 / 20))
    assert np.isfinite(psi([100, 0], [0, 100]))
