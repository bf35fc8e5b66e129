"""Whether the three tables tell one story: joins, counts, and outcomes that follow the model."""

import numpy as np
import polars as pl
import pytest

from streams.local.portal.city import outcomes
from streams.local.portal.city.units import MOTORCYCLES

INJURIES = {
    "injuries_fatal": "FATAL",
    "injuries_incapacitating": "INCAPACITATING INJURY",
    "injuries_non_incapacitating": "NONINCAPACITATING INJURY",
    "injuries_reported_not_evident": "REPORTED, NOT EVIDENT",
    "injuries_no_indication": "NO INDICATION OF INJURY",
}
ON_FOOT = ["PEDESTRIAN", "BICYCLE", "NON-MOTOR VEHICLE"]


def test_units_and_people_belong_to_their_crash(year):
    at = year.crashes.select("crash_record_id", crash_at="crash_date", units=pl.col("num_units").cast(pl.UInt32))
    for table in (year.vehicles, year.people):
        joined = table.join(at, on="crash_record_id", how="left")
        assert (joined["crash_date"] == joined["crash_at"]).all()
    counted = at.join(year.vehicles.group_by("crash_record_id").len(), on="crash_record_id", how="left")
    assert (counted["units"] == counted["len"]).all()


def test_people_join_the_vehicle_they_were_in(year):
    afoot = year.people["person_type"].is_in(ON_FOOT)
    assert (year.people["vehicle_id"].is_null() == afoot).all()
    inside = year.people.filter(~afoot).join(
        year.vehicles.select("vehicle_id", "unit_type", "crash_unit_id", of_vehicle="crash_record_id"),
        on="vehicle_id",
        how="left",
    )
    assert (inside["crash_record_id"] == inside["of_vehicle"]).all()
    assert set(inside["unit_type"]) == {"DRIVER", "NON-CONTACT VEHICLE"}
    assert (year.vehicles["vehicle_id"].is_null() == ~year.vehicles["unit_type"].is_in(
        ["DRIVER", "PARKED", "DRIVERLESS", "NON-CONTACT VEHICLE", "DISABLED VEHICLE"]
    ).fill_null(False)).all()  # fmt: skip


def test_person_ids_are_those_of_the_unit_but_for_passengers(year):
    passenger = year.people["person_type"] == "PASSENGER"
    assert (year.people["person_id"].str.starts_with("P") == passenger).all()
    units = year.vehicles.select(pl.format("O{}", "crash_unit_id").alias("person_id"), "unit_type")
    others = year.people.filter(~passenger).join(units, on="person_id", how="left")
    assert (others["person_type"] == others["unit_type"]).all()
    alone = year.vehicles.filter(pl.col("unit_type").is_in(["PARKED", "DRIVERLESS"]))
    ids = alone.select(pl.format("O{}", "crash_unit_id").alias("person_id"))
    assert year.people.join(ids, on="person_id", how="semi").is_empty()


def test_passengers_are_counted_by_their_vehicle(year):
    with_people = year.crashes.filter(pl.col("injuries_total").is_not_null()).select("crash_record_id")
    units = year.vehicles.join(with_people, on="crash_record_id", how="semi").drop_nulls("vehicle_id")
    riders = year.people.filter(pl.col("person_type") == "PASSENGER").group_by("vehicle_id").len()
    joined = units.join(riders, on="vehicle_id", how="left")
    assert (joined["num_passengers"].cast(int).fill_null(0) == joined["len"].fill_null(0).cast(int)).all()


def test_injuries_are_the_people_rows_counted(year):
    counts = year.people.group_by("crash_record_id").agg(
        *((pl.col("injury_classification") == value).sum().alias(f"n_{name}") for name, value in INJURIES.items())
    )
    joined = year.crashes.join(counts, on="crash_record_id", how="left")
    known = joined.filter(pl.col("injuries_total").is_not_null())
    for name in INJURIES:
        assert (known[name].cast(int) == known[f"n_{name}"]).all(), name
    hurt = sum(known[name].cast(int) for name in list(INJURIES)[:4])
    assert (known["injuries_total"].cast(int) == hurt).all()
    assert (known["injuries_unknown"] == "0").all()
    worst = pl.coalesce(*(pl.when(pl.col(name) != "0").then(pl.lit(value)) for name, value in INJURIES.items()))
    assert (known["most_severe_injury"] == known.select(worst).to_series()).all()


def test_without_people_the_outcome_is_null_not_zero(year):
    nobody = year.crashes.join(year.people, on="crash_record_id", how="anti")
    assert len(nobody) > 30
    assert (
        nobody.select([*INJURIES, "injuries_total", "injuries_unknown", "most_severe_injury"]).null_count().row(0)
        == (len(nobody),) * 8
    )
    assert len(nobody) == year.crashes["injuries_total"].null_count()


def test_a_crash_driven_away_from_hurt_nobody_and_towed_nothing(year):
    towed = year.vehicles.filter(pl.col("towed_i") == "Y").select("crash_record_id").unique()
    away = year.crashes.filter(pl.col("crash_type") == "NO INJURY / DRIVE AWAY")
    assert (away["injuries_total"].cast(int).fill_null(0) == 0).all()
    assert away.join(towed, on="crash_record_id", how="semi").is_empty()
    assert len(away) / len(year.crashes) == pytest.approx(0.729, abs=0.02)


def test_outcome_rates(year):
    hurt = (year.crashes["injuries_total"].cast(int) > 0).fill_null(False)
    severe = (
        year.crashes["injuries_fatal"].cast(int) + year.crashes["injuries_incapacitating"].cast(int) > 0
    ).fill_null(False)
    first = year.crashes["first_crash_type"]
    assert hurt.mean() == pytest.approx(0.144, abs=0.008)
    assert 0.0125 < severe.mean() < 0.0185
    assert 0.0004 < (year.crashes["injuries_fatal"].cast(int) > 0).mean() < 0.0018
    assert hurt.filter(first == "PEDESTRIAN").mean() == pytest.approx(0.88, abs=0.03)
    assert hurt.filter(first == "PEDALCYCLIST").mean() == pytest.approx(0.70, abs=0.05)
    assert hurt.filter(first == "PARKED MOTOR VEHICLE").mean() < 0.06
    assert hurt.filter(first == "ANGLE").mean() > 0.2


def test_airbags_and_tows_go_with_injuries(year):
    people = year.people.filter(~pl.col("person_type").is_in(ON_FOOT))
    hurt = people["injury_classification"] != "NO INDICATION OF INJURY"
    deployed = people["airbag_deployed"].str.starts_with("DEPLOYED,").fill_null(False)
    assert hurt.filter(deployed).mean() > 5 * hurt.filter(~deployed).mean()
    towed = year.vehicles.filter(pl.col("towed_i") == "Y").select("vehicle_id")
    in_towed = people.join(towed, on="vehicle_id", how="semi")["injury_classification"]
    assert (in_towed != "NO INDICATION OF INJURY").mean() > 2 * hurt.mean()


def test_truth_is_calibrated_and_discriminates(year):
    truth = year.city.truth(year.crashes, year.vehicles, year.people)
    assert (truth["crash_record_id"] == year.crashes["crash_record_id"]).all()
    known = truth.with_columns(hurt=year.crashes["injuries_total"].cast(int) > 0).drop_nulls()
    assert len(known) == year.crashes["injuries_total"].count()
    bins = known.group_by((pl.col("injury").rank() * 9.999 / pl.len()).floor().alias("tenth")).agg(
        pl.len(), pl.col("injury").mean().alias("said"), pl.col("hurt").mean().alias("was")
    )
    error = np.sqrt(bins["said"] * (1 - bins["said"]) / bins["len"])
    assert (np.abs(bins["said"] - bins["was"]) < 4 * error + 1e-4).all()
    assert 0.85 < auc(known["injury"], known["hurt"]) < 0.91


def auc(score: pl.Series, positive: pl.Series) -> float:
    rank = score.rank().filter(positive)
    n = len(rank)
    return (rank.sum() - n * (n + 1) / 2) / (n * (len(score) - n))


def test_truth_moves_with_its_causes(year):
    def injury(**changes: str | None) -> float:
        causes = {
            "person_type": "DRIVER", "vehicle_type": "PASSENGER", "age": "40", "sex": "M", "safety_equipment":
            "SAFETY BELT USED", "airbag_deployed": "DID NOT DEPLOY", "ejection": "NONE", "physical_condition": "NORMAL",
            "towed_i": None, "posted_speed_limit": "30", "num_units": "2", "first_crash_type": "ANGLE",
            "lighting_condition": "DAYLIGHT", "trafficway_type": "NOT DIVIDED", "traffic_control_device": "NO CONTROLS",
            "report_type": "ON SCENE", "prim_contributory_cause": "UNABLE TO DETERMINE",
        } | changes  # fmt: skip
        frame = pl.DataFrame({name: pl.Series([value], dtype=pl.String) for name, value in causes.items()})
        return outcomes.chances(frame, MOTORCYCLES)["injured"][0]

    usual = injury()
    assert 0.02 < usual < 0.12
    for worse in (
        {"person_type": "PEDESTRIAN", "vehicle_type": None}, {"vehicle_type": "MOTORCYCLE (OVER 150CC)"},
        {"posted_speed_limit": "45"}, {"lighting_condition": "DARKNESS"}, {"age": "85"},
        {"safety_equipment": "SAFETY BELT NOT USED"}, {"airbag_deployed": "DEPLOYED, FRONT"},
        {"ejection": "TOTALLY EJECTED"},
    ):  # fmt: skip
        assert injury(**worse) > 1.1 * usual, worse
    assert injury(first_crash_type="SIDESWIPE SAME DIRECTION") < usual
    assert injury(posted_speed_limit="99") == usual  # an impossible limit says nothing
