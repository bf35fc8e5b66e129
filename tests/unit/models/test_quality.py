"""How good scores turned out to be."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from models.quality import SCHEMA, realised

LEARNED = datetime(2024, 1, 31)
FIRST = datetime(2024, 2, 1)


def crashes(rows, seed=1):
    """Scores of "honest" and "boastful", and the outcomes, of crashes of February and March."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(1, 5, rows)
    dates = [FIRST + timedelta(hours=1440 * float(at)) for at in rng.random(rows)]
    ids = [f"{number:04d}" for number in range(rows)]
    labels = pl.DataFrame({"crash_record_id": ids, "crash_date": dates, "label": rng.random(rows) < chance})
    scores = pl.concat(
        pl.DataFrame({"crash_record_id": ids, "probability": said, "model_version": version, "scored_at": dates})
        for version, said in (("honest", chance), ("boastful", np.sqrt(chance)))
    )
    return scores, labels


def test_quality_by_version_and_month_tells_an_honest_model_from_a_boastful_one():
    scores, labels = crashes(4_000)
    found = realised(scores, labels, {"honest": LEARNED, "boastful": LEARNED})
    assert dict(found.schema) == SCHEMA
    assert list(found.select("model_version", "month").iter_rows()) == [
        ("boastful", "2024-02"), ("boastful", "2024-03"), ("honest", "2024-02"), ("honest", "2024-03")
    ]  # fmt: skip
    ece = found.group_by("model_version").agg(pl.col("ece").mean()).sort("model_version")["ece"].to_list()
    assert ece[0] > 0.15 > 0.03 > ece[1]
    assert found["rows"].sum() == 8_000
    assert (found["roc_auc"] > 0.6).all()


def test_crashes_that_a_version_has_learned_do_not_count_for_it():
    scores, labels = crashes(2_000)
    found = realised(scores, labels, {"honest": datetime(2024, 2, 29, 23, 59, 59), "boastful": LEARNED})
    assert list(found.filter(model_version="honest")["month"]) == ["2024-03"]
    assert realised(scores, labels, {}).is_empty()


def test_the_first_of_several_scores_counts():
    scores, labels = crashes(500)
    later = scores.with_columns(pl.lit(1.0).alias("probability"), pl.col("scored_at") + timedelta(days=3))
    through = {"honest": LEARNED, "boastful": LEARNED}
    assert realised(pl.concat([later, scores]), labels, through).equals(realised(scores, labels, through))


def test_few_rows_are_counted_but_not_judged():
    scores, labels = crashes(150)
    found = realised(scores, labels.head(60), {"honest": LEARNED})
    assert found["rows"].sum() == 60
    assert found["ece"].is_null().all()
    assert found["roc_auc"].is_null().all()
    assert found["brier"].is_not_null().all()


def test_outcomes_that_are_not_known_yet_are_left_out():
    scores, labels = crashes(400)
    unknown = labels.with_columns(label=pl.when(pl.int_range(pl.len()) % 2 == 0).then("label"))
    assert realised(scores, unknown, {"honest": LEARNED})["rows"].sum() == 200
