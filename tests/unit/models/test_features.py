"""The table of features: what is in it, what is refused, and what the rows of a crash make of it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from models.features import FEATURES, KEY, REFUSED, build, chosen, document
from streams.domain.clean import gold_frames
from streams.domain.schemas import TABLES
from streams.errors import RequestError
from tests.gold_rows import crash, located, many, person, silver, vehicle


def features(*rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The features of the one crash of these rows as published: crashes, vehicles, people."""
    frames = gold_frames(silver(*rows))
    [row] = build(frames.crashes, frames.vehicles, frames.people).to_dicts()
    return row


def test_the_document_is_the_table() -> None:
    written = Path(__file__).parents[3] / "docs" / "features.md"
    assert written.read_text() == document(), "write it again: python -m models.features > docs/features.md"


def test_no_feature_reads_what_is_refused() -> None:
    read = {name for feature in FEATURES for name in feature.expr.meta.root_names()}
    assert not read & set(REFUSED)
    assert {name for name in TABLES["crashes"].names if "injur" in name} <= set(REFUSED)


def test_each_feature_is_made_of_columns_of_its_table() -> None:
    for feature in FEATURES:
        assert set(feature.expr.meta.root_names()) <= set(TABLES[feature.table].names), feature.name
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)


def test_a_tier_knows_the_features_of_those_before_it() -> None:
    pre, scene, report = (set(chosen(tier)) for tier in ("pre-crash", "at-scene", "report"))
    assert pre < scene < report == set(FEATURES)
    assert [f.name for f in chosen("at-scene", ["first_crash_type", "hour"])] == ["hour", "first_crash_type"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("injuries_total", "it is the outcome itself"),
        ("CRASH_TYPE", "NO INJURY / DRIVE AWAY"),
        ("hospital", "only the hurt are taken care of"),
        ("injury_severe", "it is the outcome itself"),
        ("damage", "it comes with report"),
        ("huor", "did you mean hour"),
        ("xyzzy", "docs/features.md"),
    ],
)
def test_what_a_model_may_not_know_is_refused_by_name(name: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as refused:
        chosen("at-scene", ["hour", name])
    assert refused.value.field == "features"
    assert name in str(refused.value)
    assert refused.value.hint


def test_no_names_and_a_wrong_tier_are_refused() -> None:
    with pytest.raises(RequestError, match="no feature is chosen"):
        chosen("report", [])
    with pytest.raises(RequestError, match="pre-crash, at-scene, report"):
        chosen("before", None)  # type: ignore[arg-type]


def test_a_crash_of_a_pedestrian_a_family_and_a_motorcycle() -> None:
    row = features(
        [
            crash("a", crash_date="2024-07-04T18:30:00.000", date_police_notified="2024-07-04T19:15:00.000")
            | {"beat_of_occurrence": "1834", "street_name": "MICHIGAN AVE", "hit_and_run_i": "Y", "num_units": "3"}
            | located("41.8819", "-87.6279")
        ],
        [
            vehicle(1, "a", vehicle_type="PASSENGER", unit_type="DRIVER", towed_i="Y", area_01_i="Y", area_12_i="Y"),
            vehicle(
                2, "a", vehicle_type="MOTORCYCLE (OVER 150CC)", vehicle_year="2014", crash_date="2024-07-04T18:30:00"
            ),
            vehicle(3, "a", unit_type="PEDESTRIAN"),
        ],
        [
            person("O1", "a", person_type="DRIVER", age="34", sex="F", airbag_deployed="DEPLOYED, FRONT"),
            person("P1", "a", person_type="PASSENGER", age="4", safety_equipment="BOOSTER SEAT"),
            person("O2", "a", person_type="DRIVER", safety_equipment="HELMET NOT USED", ejection="TOTALLY EJECTED"),
            person("O3", "a", person_type="PEDESTRIAN", age="70", physical_condition="REMOVED BY EMS"),
        ],
    )
    assert row | {
        "hour": 18.0, "weekday": 4.0, "is_weekend": False, "is_holiday": True, "district": "18", "street_kind": "AVE",
        "from_centre": 0.0, "hit_and_run": True, "dooring": False, "num_units": 3.0, "vehicles": 3.0, "cars": 1.0,
        "motorcycles": 1.0, "towed": 1.0, "areas_damaged": 2.0, "oldest_vehicle": 10.0, "persons": 4.0, "drivers": 2.0,
        "pedestrians": 1.0, "age_youngest": 4.0, "age_oldest": 70.0, "age_mean": 36.0, "ages_unknown": 1.0,
        "children": 1.0, "over_65": 1.0, "women": 1.0, "in_child_seats": 1.0, "unhelmeted": 1.0, "airbags_front": 1.0,
        "ejected": 1.0, "impaired": 0.0, "ill": 0.0, "notified_after": 0.75, "weather_condition": None,
    } == row  # fmt: skip


def test_what_is_not_known_yet_is_null_and_not_zero() -> None:
    row = features([crash("a", latitude="0", longitude="0", weather_condition="UNKNOWN")], [], [])
    null = {f.name for f in FEATURES if row[f.name] is None}
    assert {f.name for f in FEATURES if f.table != "crashes"} <= null
    assert {"latitude", "from_centre", "weather_condition", "district", "street_kind", "notified_after"} <= null


def test_an_age_nobody_gives_is_null_and_no_number() -> None:
    row = features([crash("a")], [], [person("O1", "a"), person("O2", "a")])
    assert (row["age_mean"], row["age_oldest"], row["ages_unknown"]) == (None, None, 2.0)


def test_rows_are_in_the_order_of_the_crashes_and_of_the_declared_types() -> None:
    frames = gold_frames(silver([crash(i) for i in "abc"], [vehicle(1, "c"), vehicle(2, "z")], [person("O1", "a")]))
    built = build(frames.crashes.reverse(), frames.vehicles, frames.people)
    assert built[KEY].to_list() == ["c", "b", "a"]
    assert built["vehicles"].to_list() == [1.0, None, None]
    assert built.schema == {KEY: pl.String()} | {f.name: f.dtype() for f in FEATURES}
    assert build(frames.crashes.clear(), frames.vehicles, frames.people).schema == built.schema


def test_gold_read_back_has_the_features_that_went_in() -> None:
    frames = gold_frames(many(600))
    with duckdb.connect() as gold:
        for name in TABLES:
            gold.register("frame", getattr(frames, name).to_arrow())
            gold.execute(f"create table {name} as from frame order by hash(crash_record_id)")
        back = [gold.execute(f"from {name}").pl() for name in TABLES]
    wanted = build(frames.crashes, frames.vehicles, frames.people)
    assert build(*back).sort(KEY).equals(wanted.sort(KEY))
    assert wanted["hour"].to_list() == [datetime(2024, 1, 5, 8, 30).hour] * 600
