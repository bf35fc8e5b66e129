"""A model scores, explains, and comes back from its files as it was, or not at all."""

import json
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from models.algorithms import ALGORITHMS
from models.features import build
from models.model import MANIFEST, Model
from streams.domain.clean import GoldFrames, gold_frames
from streams.errors import ModelDamaged, RequestError
from streams.records import Algorithm
from tests.city_gold import city_changes
from tests.trained import SOME, trained

every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@cache
def frames() -> GoldFrames:
    (change,) = city_changes(1, date(2024, 1, 1), date(2024, 1, 31), 600)
    return gold_frames(change.silver)


@cache
def model(algorithm: Algorithm = "logistic") -> Model:
    return trained(frames(), algorithm=algorithm)


@cache
def rows() -> pl.DataFrame:
    return build(frames().crashes, frames().vehicles, frames().people)


def test_scores_are_probabilities_and_labels_in_the_order_of_the_rows() -> None:
    scores = model().score(rows())
    assert scores.schema == {"crash_record_id": pl.String, "probability": pl.Float64, "label": pl.Boolean}
    assert scores["crash_record_id"].equals(rows()["crash_record_id"])
    assert scores["probability"].is_between(0, 1, closed="none").all()
    assert (scores["label"] == (scores["probability"] >= 0.3)).all()
    assert 0 < scores["label"].sum() < scores.height


@every_algorithm
def test_a_crash_has_the_same_score_alone_and_in_a_batch(algorithm: Algorithm) -> None:
    batch = model(algorithm).score(rows(), explain=2)
    alone = pl.concat([model(algorithm).score(row, explain=2) for row in rows().head(10).iter_slices(1)])
    assert np.allclose(alone["probability"], batch["probability"].head(10), rtol=1e-5)
    assert alone["crash_record_id"].equals(batch["crash_record_id"].head(10))


@every_algorithm
def test_the_largest_contributions_of_features_come_first_and_all_of_them_add_up(algorithm: Algorithm) -> None:
    scores = model(algorithm).score(rows(), explain=len(SOME))
    told = scores.explode("contributions").unnest("contributions")
    assert told.height == rows().height * len(SOME)
    assert set(told["feature"]) == set(SOME)
    sizes = scores["contributions"].list.eval(pl.element().struct.field("contribution").abs())
    assert sizes.list.eval(pl.element().diff().fill_null(0).max()).explode().max() <= 0
    sums = told.group_by("crash_record_id", maintain_order=True).agg(pl.col("contribution").sum())["contribution"]
    raw = model(algorithm).classifier.probability(model(algorithm).encoding.matrix(rows()))
    assert np.ptp(logit(raw) - sums.to_numpy()) < 1e-4
    first = model(algorithm).score(rows(), explain=1)["contributions"].list.first()
    assert first.equals(scores["contributions"].list.first())


def test_no_rows_give_no_scores_with_the_same_columns() -> None:
    for explain in (0, 3):
        assert model().score(rows().clear(), explain).schema == model().score(rows(), explain).schema


def test_rows_without_a_feature_are_refused_by_its_name() -> None:
    with pytest.raises(RequestError) as refused:
        model().score(rows().drop("hour"))
    assert refused.value.field == "hour"


@every_algorithm
def test_it_comes_back_from_its_files_as_it_was(algorithm: Algorithm) -> None:
    files = model(algorithm).dump()
    again = Model.load(files)
    assert again.version == model(algorithm).version
    assert again.dump() == files
    assert again.score(rows(), 3).equals(model(algorithm).score(rows(), 3))


def test_a_version_says_what_the_model_is_for_and_follows_its_content() -> None:
    assert model().version.startswith("injury-report-logistic-20240601t000000-")
    assert trained(frames(), algorithm="logistic").version == model().version
    other = trained(frames(), algorithm="logistic", threshold=0.31)
    later = trained(frames(), algorithm="logistic", trained_at=datetime(2024, 6, 1, 1, tzinfo=UTC))
    assert len({model().version, other.version, later.version}) == 3


@every_algorithm
def test_a_changed_byte_is_refused_wherever_it_is(algorithm: Algorithm) -> None:
    files, random = model(algorithm).dump(), np.random.default_rng(5)
    for name, body in files.items():
        places = {0, len(body) - 1, *map(int, random.integers(0, len(body), 40))}
        for place in places:
            changed = bytearray(body)
            changed[place] ^= 1 << int(random.integers(0, 8))
            with pytest.raises(ModelDamaged):
                Model.load({**files, name: bytes(changed)})
        with pytest.raises(ModelDamaged):
            Model.load({**files, name: body[:-1]})


def test_a_missing_or_foreign_file_is_refused_by_its_name() -> None:
    files = model().dump()
    for name in files:
        with pytest.raises(ModelDamaged, match=name):
            Model.load({other: body for other, body in files.items() if other != name})
    with pytest.raises(ModelDamaged, match=r"extra\.pkl"):
        Model.load({**files, "extra.pkl": b"cos\nsystem\n"})


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"algorithm": "pickle"}, {"threshold": 2}, {"more": 1}, {"version": "injury-1"}]
)
def test_a_manifest_of_another_format_is_refused(change: dict[str, object]) -> None:
    files = model().dump()
    manifest = json.loads(files[MANIFEST]) | change
    with pytest.raises(ModelDamaged, match=MANIFEST):
        Model.load({**files, MANIFEST: json.dumps(manifest, indent=1).encode()})


def test_parts_of_two_models_do_not_make_one() -> None:
    narrow = trained(frames(), algorithm="logistic", names=SOME[:3]).dump()
    wide = model().dump()
    (name,) = (name for name in wide if name.startswith("classifier"))
    with pytest.raises(ModelDamaged, match=name):
        Model.load({**narrow, name: wide[name]})
    assert sha256(wide[name]).hexdigest() != sha256(narrow[name]).hexdigest()
