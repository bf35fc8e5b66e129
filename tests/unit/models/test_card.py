"""The model card of a model trained on a small made-up history, and the chart of its calibration."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from models.card import METRIC_NAMES, card, table
from models.compare import compare
from models.evaluate import METRICS, evaluate
from models.features import FEATURES, build
from models.proof.chart import chart
from models.registry import Origin
from models.train import train
from streams.domain.clean import clean
from streams.domain.engineer import engineer
from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES, published
from streams.records import TrainRequest

NOW = datetime(2024, 6, 1, tzinfo=UTC)
FEATURE_NAMES = ("hour", "posted_speed_limit", "first_crash_type")


@pytest.fixture(scope="module")
def trained():
    """A logistic regression on 1,500 crashes of which every other has somebody on foot, who is mostly hurt."""
    rng = np.random.default_rng(1)
    walks, hurt = rng.random(1_500) < 0.5, rng.random(1_500)
    rows = [
        {
            "crash_record_id": f"{n:06d}",
            "crash_date": (datetime(2024, 1, 1) + timedelta(hours=n)).strftime("%Y-%m-%dT%H:%M:%S.000"),
            "posted_speed_limit": "30",
            "beat_of_occurrence": "1834" if n % 3 else "111",
            "first_crash_type": "PEDESTRIAN" if walks[n] else "REAR END",
            "injuries_total": "1" if hurt[n] < (0.7 if walks[n] else 0.1) else "0",
        }
        for n in range(1_500)
    ]
    units, people = (clean(pl.DataFrame(schema=published(of)), of) for of in (VEHICLES, PEOPLE))
    crashes = engineer(clean(pl.DataFrame(rows, schema=published(CRASHES)), CRASHES), units, people)
    learnable = crashes.select("crash_record_id", "crash_date", label="injury", beat="beat_of_occurrence")
    learnable = learnable.join(build(crashes, units, people), on="crash_record_id")
    request = TrainRequest(request_id="r-1", tier="at-scene", algorithm="logistic", features=FEATURE_NAMES)
    return train(request, learnable, None, NOW, lambda stage, share, score: None)


def written(trained, **more):
    origin = Origin(
        request_id="r-1",
        hyperparameters=trained.hyperparameters.model_dump(),
        silver_versions={"2024-02": 3, "2024-01": 7},
        rows=dict(trained.rows),
        code_version="1.2.3",
    )
    return card(trained.model, trained.evaluation, origin, threshold_rule="chosen for a recall of 80%", **more)


def test_a_card_says_what_whom_for_from_what_how_good_and_made_how(trained):
    text = written(trained)
    for words in (
        trained.model.version,
        "that anybody is injured in a crash",
        "what an officer sees on arrival",
        "**Not for** deciding about a person",
        "2024-01 v7, 2024-02 v3",
        "chosen for a recall of 80%",
        "`1.2.3`",
        "## Limits",
        f"- **pre-crash**: {', '.join(f'`{name}`' for name in FEATURE_NAMES[:2])}\n",
        "- **at-scene**: `first_crash_type`\n",
    ):
        assert words in text
    left_out = {feature.name for feature in FEATURES} - set(FEATURE_NAMES)
    assert not any(f"`{name}`" in text for name in left_out)


def test_every_metric_stands_in_the_card_with_its_interval(trained):
    text = written(trained)
    assert set(METRIC_NAMES) == set(METRICS)
    for name, metric in trained.evaluation.metrics.items():
        assert f"| {METRIC_NAMES[name]} | {metric.value:.3f} | {metric.low:.3f} to {metric.high:.3f} |" in text


def test_a_group_that_the_model_fails_is_named_and_none_where_it_fails_none(trained):
    rng = np.random.default_rng(2)
    chance, luck = rng.beta(2, 8, 2_000), rng.random(2_000)
    beat, date = np.where(np.arange(2_000) < 700, "1834", "111"), np.full(2_000, np.datetime64("2024-01-01"))
    texts = [
        written(replace(trained, evaluation=evaluate(chance, luck < came, 0.5, date, {"beat": beat}, count=20)))
        for came in (chance, np.where(beat == "1834", 3 * chance, chance))
    ]
    assert "In none is the model off" in texts[0]
    assert "| beat 1834 | 700 |" in texts[1]
    assert "miscalibrated" in texts[1]


def test_a_candidate_is_shown_beside_what_served(trained):
    rng = np.random.default_rng(3)
    chance = rng.beta(2, 5, 2_000)
    found = compare(chance, rng.random(2_000), rng.random(2_000) < chance, thresholds=(0.5, 0.5), count=30)
    assert "Beside what served" not in written(trained)
    assert "On the same 2,000 rows: **better**" in written(trained, comparison=found)


def test_tables_of_a_card_are_whole(trained):
    lines = written(trained).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    for before, after in pairwise(lines):
        if before.startswith("|") and after.startswith("|"):
            assert before.count("|") == after.count("|")
    assert table(["a", "b"], [["x|y", 1]]) == "| a | b |\n| --- | ---: |\n| x/y | 1 |"


def test_a_chart_is_an_svg_with_a_point_for_each_bin(trained):
    drawn = ElementTree.fromstring(chart({"at-scene": trained.evaluation}))
    points = drawn.findall("{http://www.w3.org/2000/svg}circle")
    assert len(points) == len(trained.evaluation.reliability)
    assert all(0 < float(point.get("cx")) < 420 and 0 < float(point.get("cy")) < 420 for point in points)
