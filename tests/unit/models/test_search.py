"""A search ends in its time, finds nothing worse than the defaults, and leaves alone what is given by hand."""

import time
from itertools import pairwise

import numpy as np
import pytest

from models.algorithms import hyperparameters
from models.search import Found, search
from streams.errors import DataTooThin, RequestError

ROWS = 3_000
QUICK = {"n_estimators": 12}


def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    matrix = random.normal(size=(ROWS, 6)).astype(np.float32)
    chance = 1 / (1 + np.exp(2 - matrix[:, 0] - matrix[:, 1] * matrix[:, 2]))
    return matrix, random.random(ROWS) < chance


def found(seconds: float, seed: int = 1, **given: object) -> tuple[Found, list[float]]:
    """What a search found, and the best scores on its way."""
    scores: list[float] = []
    best = search(
        "lightgbm",
        *rows(),
        QUICK | given,
        lambda _, score: scores.append(score) if score is not None else None,
        seconds=seconds,
        seed=seed,
    )
    return best, list(dict.fromkeys(scores))


def test_without_time_the_defaults_are_tried_and_found() -> None:
    best, _ = found(0.001)
    assert (best.trials, best.params) == (1, hyperparameters("lightgbm", QUICK))


def test_with_time_it_finds_better_than_the_defaults_and_ends() -> None:
    begun = time.monotonic()
    best, scores = found(2.0)
    assert time.monotonic() - begun < 4
    assert best.trials > 5
    assert best.score > scores[0]
    assert all(one < other for one, other in pairwise(scores))


def test_what_is_given_stays() -> None:
    best, _ = found(0.7, num_leaves=3)
    assert best.trials > 1
    assert best.params.model_dump(include={"num_leaves", "n_estimators"}) == {"num_leaves": 3, "n_estimators": 12}


def test_a_seed_goes_the_same_way_however_far_it_gets() -> None:
    (_, one), (_, other), (_, elsewhere) = found(0.8), found(1.2), found(1.2, seed=2)
    shared = min(len(one), len(other))
    assert shared > 1
    assert one[:shared] == other[:shared]
    assert elsewhere[1:shared] != other[1:shared]


def test_what_is_wrongly_given_is_named() -> None:
    with pytest.raises(RequestError) as refused:
        found(1.0, num_leaves=1)
    assert refused.value.field == "hyperparameters.num_leaves"


def test_a_single_class_among_the_newest_rows_cannot_judge() -> None:
    matrix, label = rows()
    label[ROWS // 2 :] = False
    with pytest.raises(DataTooThin, match="newest"):
        search("lightgbm", matrix, label, QUICK, lambda *_: None, seconds=1, seed=0)
