"""Whether the city is like Chicago: frequencies, rhythm, places, weather and light."""

import json
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from streams.local.portal.city.places import coordinates, in_city, places

REAL = Path(os.environ.get("CRASH_REAL_DATA", Path(__file__).parents[4] / "shared" / "data"))


def shares(column: pl.Series) -> dict[str | None, float]:
    return {value: count / len(column) for value, count in column.value_counts().rows()}


def hour(frame: pl.DataFrame) -> pl.Series:
    return frame["crash_date"].str.slice(11, 2).cast(pl.Int64)


@pytest.mark.parametrize(
    ("table", "column", "value", "share", "tolerance"),
    [
        ("crashes", "first_crash_type", "PARKED MOTOR VEHICLE", 0.231, 0.012),
        ("crashes", "first_crash_type", "REAR END", 0.218, 0.012),
        ("crashes", "first_crash_type", "PEDESTRIAN", 0.024, 0.004),
        ("crashes", "num_units", "1", 0.059, 0.006),
        ("crashes", "num_units", "2", 0.867, 0.008),
        ("crashes", "num_units", "3", 0.058, 0.006),
        ("crashes", "num_units", "4", 0.012, 0.003),
        ("crashes", "posted_speed_limit", "30", 0.739, 0.015),
        ("crashes", "traffic_control_device", "TRAFFIC SIGNAL", 0.277, 0.012),
        ("crashes", "trafficway_type", "PARKING LOT", 0.067, 0.006),
        ("crashes", "damage", "OVER $1,500", 0.64, 0.03),
        ("crashes", "weather_condition", "UNKNOWN", 0.062, 0.006),
        ("crashes", "lighting_condition", "DAYLIGHT", 0.65, 0.04),
        ("crashes", "lane_cnt", None, 0.787, 0.01),
        ("crashes", "hit_and_run_i", None, 0.686, 0.03),
        ("crashes", "intersection_related_i", None, 0.770, 0.03),
        ("crashes", "crash_date_est_i", None, 0.927, 0.01),
        ("crashes", "private_property_i", None, 0.955, 0.015),
        ("crashes", "dooring_i", None, 0.996, 0.003),
        ("crashes", "report_type", None, 0.032, 0.005),
        ("crashes", "latitude", None, 0.0074, 0.002),
        ("crashes", "injuries_total", None, 0.0022, 0.001),
        ("vehicles", "unit_type", "DRIVER", 0.838, 0.012),
        ("vehicles", "unit_type", "PARKED", 0.131, 0.01),
        ("vehicles", "unit_type", "DRIVERLESS", 0.009, 0.003),
        ("vehicles", "vehicle_id", None, 0.0226, 0.004),
        ("vehicles", "vehicle_year", None, 0.182, 0.03),
        ("vehicles", "num_passengers", None, 0.851, 0.015),
        ("vehicles", "towed_i", "Y", 0.114, 0.02),
        ("vehicles", "vehicle_type", "PASSENGER", 0.617, 0.02),
        ("vehicles", "cmv_id", None, 0.9895, 0.004),
        ("vehicles", "first_contact_point", "FRONT", 0.151, 0.012),
        ("people", "person_type", "DRIVER", 0.777, 0.012),
        ("people", "age", None, 0.29, 0.03),
        ("people", "seat_no", None, 0.80, 0.015),
        ("people", "driver_action", None, 0.205, 0.02),
        ("people", "safety_equipment", "SAFETY BELT USED", 0.40, 0.06),
        ("people", "sex", "F", 0.37, 0.03),
    ],
)
def test_shares(year, table, column, value, share, tolerance):
    assert shares(getattr(year, table)[column]).get(value, 0.0) == pytest.approx(share, abs=tolerance)


@pytest.mark.parametrize(
    ("column", "entry", "distance"),
    [
        ("first_crash_type", "crashes.first_crash_type", 0.02),
        ("crash_type", "crashes.crash_type", 0.02),
        ("weather_condition", "crashes.weather_condition", 0.05),
        ("traffic_control_device", "crashes.traffic_control_device", 0.03),
        ("posted_speed_limit", "crashes.posted_speed_limit", 0.02),
        ("damage", "crashes.damage", 0.03),
        ("injuries_total", "crashes.injuries_total", 0.03),
        ("crash_hour", "crashes.crash_hour", 0.03),
        ("crash_month", "crashes.crash_month", 0.03),
        ("crash_day_of_week", "crashes.crash_day_of_week(1=Sun)", 0.02),
    ],
)
def test_published_counts(year, column, entry, distance):
    path = REAL / "frequencies.json"
    if not path.exists():
        pytest.skip(f"no published counts at {path}")
    counts = {k: float(v) for k, v in json.loads(path.read_text())[entry]["counts"].items()}
    ours = shares(year.crashes.filter(pl.col(column).is_in(list(counts)))[column])
    total = sum(counts.values())
    assert sum(abs(ours.get(k, 0.0) - v / total) for k, v in counts.items()) / 2 < distance


def test_units_and_people_a_crash(year):
    assert len(year.vehicles) / len(year.crashes) == pytest.approx(2.03, abs=0.02)
    assert len(year.people) / len(year.crashes) == pytest.approx(2.20, abs=0.04)
    assert year.crashes["num_units"].cast(int).max() <= 21


def test_parts_of_the_date_agree_with_it(year):
    at = year.crashes["crash_date"].str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f")
    assert (at.dt.hour().cast(pl.String) == year.crashes["crash_hour"]).all()
    assert (at.dt.month().cast(pl.String) == year.crashes["crash_month"]).all()
    sunday_first = at.dt.weekday() % 7 + 1
    assert (sunday_first.cast(pl.String) == year.crashes["crash_day_of_week"]).all()


def test_the_week_peaks_on_friday_and_the_day_in_the_afternoon(year):
    by_day = year.crashes["crash_day_of_week"].value_counts().sort("count")["crash_day_of_week"]
    assert by_day[-1] == "6"
    by_hour = hour(year.crashes).value_counts().sort("count")
    assert set(by_hour["crash_date"][-3:]) <= {14, 15, 16, 17}
    weekend = year.crashes["crash_day_of_week"].is_in(["1", "7"])
    night = hour(year.crashes).is_in([1, 2, 3])
    assert night.filter(weekend).mean() > 2 * night.filter(~weekend).mean()


def test_light_follows_the_sun(year):
    known = year.crashes.filter(pl.col("lighting_condition") != "UNKNOWN")
    at, light = hour(known), known["lighting_condition"]
    day, dark = light == "DAYLIGHT", light.str.starts_with("DARKNESS")
    assert day.filter(at.is_in([10, 11, 12, 13])).mean() > 0.97
    assert dark.filter(at.is_in([23, 0, 1, 2])).mean() > 0.97
    december, june = known["crash_month"] == "12", known["crash_month"] == "6"
    assert dark.filter(december & (at == 17)).mean() > 0.9
    assert day.filter(june & (at == 17)).mean() > 0.9
    assert at.filter(light == "DAWN").is_between(4, 8).mean() > 0.85
    assert at.filter(light == "DUSK").is_between(16, 21).mean() > 0.85


def test_crashes_of_an_hour_share_their_weather_and_the_road_follows(year):
    known = year.crashes.filter(~pl.col("weather_condition").is_in(["UNKNOWN", "OTHER"]))
    by_hour = known.group_by(pl.col("crash_date").str.slice(0, 13), "weather_condition").len()
    agree = by_hour.group_by("crash_date").agg(pl.len())
    assert (agree["len"] == 1).mean() > 0.95
    wet = known["roadway_surface_cond"] == "WET"
    rain = known["weather_condition"] == "RAIN"
    assert wet.filter(rain).mean() > 0.8
    assert wet.filter(known["weather_condition"] == "CLEAR").mean() < 0.1
    snow = known.filter(pl.col("weather_condition") == "SNOW")
    assert set(snow["crash_month"]) <= {"1", "2", "3", "4", "10", "11", "12"}
    assert len(snow) > 200


def test_places_lie_in_the_city_and_on_their_street(year):
    crashes = year.crashes.filter(pl.col("latitude").is_not_null() & (pl.col("latitude") != "0.0"))
    lat, lng = (crashes[c].cast(float).to_numpy() for c in ("latitude", "longitude"))
    assert lat.min() > 41.64
    assert lat.max() < 42.03
    assert lng.min() > -87.94
    assert lng.max() < -87.52
    assert in_city(lat, lng).mean() > 0.99  # the corners of the coarse outline aside
    signed = (
        crashes["street_no"].cast(float)
        * pl.select(pl.when(crashes["street_direction"].is_in(["N", "E"])).then(1.0).otherwise(-1.0)).to_series()
    )
    north_south = crashes["street_direction"].is_in(["N", "S"]).to_numpy()
    number = signed.to_numpy()
    on_lat, _ = coordinates(np.zeros(len(number)), number)
    _, on_lng = coordinates(number, np.zeros(len(number)))
    assert np.abs(lat - on_lat)[north_south].max() < 0.0005
    assert np.abs(lng - on_lng)[~north_south].max() < 0.0005


def test_the_grid_is_chicagos():
    lat, lng = coordinates(np.array([0.0, -2400.0, 0.0]), np.array([0.0, -1200.0, 7600.0]))
    assert (lat[0], lng[0]) == (41.8821, -87.6278)
    assert lat[1] == pytest.approx(41.8669, abs=0.002)  # Western and Roosevelt
    assert lng[1] == pytest.approx(-87.6864, abs=0.002)
    assert lat[2] == pytest.approx(42.0195, abs=0.002)  # Howard
    lake = np.array([[41.88, -87.58], [41.75, -87.50], [41.97, -87.60]])
    suburbs = np.array([[41.88, -87.80], [41.72, -87.70], [42.05, -87.68]])
    assert not in_city(*np.concatenate([lake, suburbs]).T).any()
    assert in_city(np.array([41.85, 41.98, 41.75]), np.array([-87.65, -87.90, -87.60])).all()


def test_beats_are_compact_and_arterials_are_busy(year):
    located = year.crashes.filter(pl.col("latitude").is_not_null() & (pl.col("latitude") != "0.0"))
    spread = located.group_by("beat_of_occurrence").agg(
        pl.len(), pl.col("latitude").cast(float).std().alias("lat"), pl.col("longitude").cast(float).std().alias("lng")
    )
    assert 240 <= len(spread) <= 290
    assert spread.filter(pl.col("len") > 20)["lat"].max() < 0.03
    beat = spread["beat_of_occurrence"].cast(int)
    assert set(beat // 100) == {*range(1, 13), *range(14, 21), 22, 24, 25}
    streets = year.crashes["street_name"].value_counts(sort=True)
    assert len(streets) > 380
    assert {"WESTERN AVE", "ASHLAND AVE", "PULASKI RD"} <= set(streets["street_name"][:15])
    assert places().weight.sum() == pytest.approx(1.0)


def test_police_is_told_soon_or_the_next_day(year):
    at, told = (
        year.crashes[c].str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f") for c in ("crash_date", "date_police_notified")
    )
    lag = (told - at).dt.total_minutes() / 60
    assert lag.min() >= 0
    assert 0.4 < lag.median() < 0.8
    assert 17 < lag.quantile(0.95) < 27
    assert 36 < lag.quantile(0.99) < 80


def test_junk_exists_but_is_rare(year):
    odd = year.crashes["posted_speed_limit"].is_in(["0", "1", "2", "3", "9", "24", "39", "99"]).mean()
    assert 0.004 < odd < 0.02
    built = year.vehicles["vehicle_year"].drop_nulls().cast(int)
    assert 0 < ((built < 1960) | (built > 2027)).mean() < 0.003
    assert built.min() >= 1900
    assert built.max() <= 9999
    tows = set(year.vehicles["towed_by"].drop_nulls())
    assert {"private tow", "PRIVATE TOW", "unk", "ALLSTATE "} <= tows
    assert (year.crashes["lane_cnt"] == "99").sum() > 0
