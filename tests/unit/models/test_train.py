"""What comes of a training: the same for the same rows, judged on later ones, and nothing where they do not do."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.features import KEY, build, chosen
from models.labels import labelled
from models.train import STAGES, Trained, needed, train
from streams.domain.clean import gold_frames
from streams.errors import DataTooThin, LeakFound, RequestError, TrainingCancelled
from streams.records import TrainRequest
from tests.city_gold import city_changes

NOW = datetime(2025, 5, 1, tzinfo=UTC)


def said_nothing(stage: str, share: float, score: float | None) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """Three months of the simulated city as `read_history` gives them."""
    changes = city_changes(11, date(2025, 1, 1), date(2025, 4, 1), 4_000)
    frames = gold_frames(pl.concat([change.silver for change in changes]))
    labels = labelled(frames.crashes, "injury", NOW, timedelta(days=14))
    beats = frames.crashes.select(KEY, beat="beat_of_occurrence")
    return (
        labels.join(beats, on=KEY)
        .join(build(frames.crashes, frames.vehicles, frames.people), on=KEY)
        .sort("crash_date", KEY)
    )


def trained(rows: pl.DataFrame, serving: Any = None, tell: Any = said_nothing, **wanted: Any) -> Trained:
    return train(TrainRequest(request_id="mine", **wanted), rows, serving, NOW, tell)


@pytest.fixture(scope="module")
def boosted(rows: pl.DataFrame) -> Trained:
    return trained(rows)


def test_the_same_rows_and_request_make_the_same_model_to_the_byte(rows: pl.DataFrame, boosted: Trained) -> None:
    again = trained(rows.clone())
    assert again.model.dump() == boosted.model.dump()
    assert (again.evaluation, again.model.version) == (boosted.evaluation, boosted.model.version)


def test_it_is_judged_on_later_crashes_than_it_has_learned_from(rows: pl.DataFrame, boosted: Trained) -> None:
    assert boosted.model.data_from == rows["crash_date"][0]
    later = rows.filter(pl.col("crash_date") > boosted.model.data_through)
    assert later.height == boosted.evaluation.rows == boosted.rows["test"]
    assert boosted.evaluation.metrics["roc_auc"].low > 0.75
    assert boosted.evaluation.metrics["ece"].value < 0.05
    assert sum(boosted.rows.values()) == rows.height


def test_groups_are_all_of_the_test_rows_by_beat_and_by_who_was_there(boosted: Trained) -> None:
    by = boosted.evaluation.by_group
    assert {"pedestrians", "cyclists", "motor vehicles alone"} <= {part.name for part in by["with"]}
    for parts in by.values():
        assert sum(part.rows for part in parts) == boosted.evaluation.rows


@pytest.mark.parametrize(("tier", "algorithm"), [("pre-crash", "logistic"), ("at-scene", "hist")])
def test_a_model_knows_what_its_tier_knows(rows: pl.DataFrame, tier: str, algorithm: str) -> None:
    request = TrainRequest.model_validate({"request_id": "mine", "tier": tier, "algorithm": algorithm})
    lacking = rows.select("crash_record_id", "crash_date", "label", "beat", *needed(request, None))
    made = train(request, lacking, None, NOW, said_nothing)
    assert made.model.features == tuple(feature.name for feature in chosen(request.tier))
    assert (made.model.tier, made.model.algorithm) == (tier, algorithm)


def test_the_threshold_reaches_the_recall_or_weighs_the_cost(rows: pl.DataFrame) -> None:
    few = ("first_crash_type", "num_units", "damage", "hour")
    most = trained(rows, features=few, recall=0.95)
    assert most.evaluation.metrics["recall"].value > 0.85
    assert trained(rows, features=few, cost=4).model.threshold == pytest.approx(0.2)


def test_weighing_the_rarer_outcome_more_leaves_probabilities_true(rows: pl.DataFrame) -> None:
    weighed = trained(rows, imbalance="weights")
    assert weighed.hyperparameters.balance
    test = rows.filter(pl.col("crash_date") > weighed.model.data_through)
    predicted = weighed.model.probability(test).mean()
    assert predicted == pytest.approx(weighed.evaluation.base_rate, abs=0.04)


def test_what_serves_is_judged_on_the_same_rows(rows: pl.DataFrame, boosted: Trained) -> None:
    assert boosted.better is None, "nothing serves yet"
    poor = trained(rows, boosted.model, features=("hour",))
    assert poor.comparison
    assert (poor.comparison.verdict, poor.comparison.rows, poor.better) == ("worse", boosted.evaluation.rows, False)
    assert trained(rows, poor.model).better


@pytest.mark.parametrize(
    ("wanted", "field", "says"),
    [
        ({"hyperparameters": {"leaves": 3}}, "hyperparameters.leaves", "num_leaves"),
        ({"hyperparameters": {"learning_rate": 7}}, "hyperparameters.learning_rate", "less than or equal to 1"),
        ({"features": ("hours",)}, "features", "did you mean hour"),
        ({"features": ("damage",), "tier": "pre-crash"}, "features", "ask for tier report"),
        ({"features": ("injuries_total",)}, "features", "outcome"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(
    rows: pl.DataFrame, wanted: dict[str, Any], field: str, says: str
) -> None:
    told: list[str] = []
    with pytest.raises(RequestError, match=says) as refused:
        trained(rows, tell=lambda stage, *_: told.append(stage), **wanted)
    assert refused.value.field == field
    assert refused.value.hint
    assert told == ["prepare"]


@pytest.mark.parametrize(
    "thin",
    [
        lambda rows: rows.head(0),
        lambda rows: rows.head(60),
        lambda rows: rows.filter(~pl.col("label")),
        lambda rows: rows.filter(~pl.col("label") | (pl.int_range(pl.len()) < 2400)),
    ],
    ids=["no rows", "few rows", "one class", "one class later"],
)
def test_too_little_to_learn_from_is_said(rows: pl.DataFrame, thin: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    with pytest.raises(DataTooThin) as refused:
        trained(thin(rows))
    assert refused.value.hint


def test_a_feature_that_gives_the_outcome_away_is_refused_by_name(rows: pl.DataFrame) -> None:
    noise = pl.Series(np.random.default_rng(0).random(rows.height) < 0.02)
    leaking = rows.with_columns(hour=(pl.col("label") ^ noise).cast(pl.Float64))
    with pytest.raises(LeakFound) as refused:
        trained(leaking)
    assert refused.value.field == "hour"


def test_progress_goes_on_and_never_back(rows: pl.DataFrame) -> None:
    told: list[tuple[str, float]] = []

    def tell(stage: Any, share: float, score: float | None) -> None:
        begin, end = STAGES[stage]
        told.append((stage, begin + (end - begin) * share))

    trained(rows, tell=tell, search_seconds=1, hyperparameters={"n_estimators": 30})
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert list(dict.fromkeys(stage for stage, _ in told)) == ["prepare", "search", "fit", "judge"]


@pytest.mark.parametrize("stage", ["prepare", "search", "fit", "judge"])
def test_it_is_cancelled_wherever_it_is(rows: pl.DataFrame, stage: str) -> None:
    def tell(now: str, share: float, score: float | None) -> None:
        if now == stage:
            raise TrainingCancelled("enough")

    with pytest.raises(TrainingCancelled):
        trained(rows, tell=tell, search_seconds=1, hyperparameters={"n_estimators": 30})
