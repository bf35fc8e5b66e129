"""Each rule of cleaning, and the reference's defects 7, 8 and 11."""

from datetime import datetime
from typing import Any

import polars as pl
import pytest

from streams.domain.clean import gold_frames
from streams.domain.engineer import ENGINEERED
from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES, Kind
from tests.gold_rows import crash, located, person, silver, vehicle

DTYPES = {
    Kind.TEXT: pl.String(),
    Kind.FLAG: pl.Boolean(),
    Kind.INTEGER: pl.Int32(),
    Kind.BIGINT: pl.Int64(),
    Kind.REAL: pl.Float64(),
    Kind.TIME: pl.Datetime("us"),
}


def one_crash(**values: Any) -> dict[str, Any]:
    return gold_frames(silver([crash("a", **values)])).crashes.row(0, named=True)


def one_vehicle(**values: Any) -> dict[str, Any]:
    return gold_frames(silver(vehicles=[vehicle(1, "a", **values)])).vehicles.row(0, named=True)


def one_person(**values: Any) -> dict[str, Any]:
    return gold_frames(silver(people=[person("P1", "a", **values)])).people.row(0, named=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("CLEAR", "CLEAR"),
        ("  Clear \t", "Clear"),
        *((word, None) for word in ("UNKNOWN", "unknown", " Unk ", "UNKN", "UNKOWN", "UNKNOWN/NA", "N/A", "na")),
        ("NONE", "NONE"),
        ("UNKNOWN INTERSECTION TYPE", "UNKNOWN INTERSECTION TYPE"),
    ],
)
def test_text_is_trimmed_and_unknown_is_null_without_a_flag(text: str | None, value: str | None) -> None:
    row = one_crash(weather_condition=text)
    assert (row["weather_condition"], row["quality_flags"]) == (value, [])


def test_names_of_rows_are_trimmed_and_never_null() -> None:
    frames = gold_frames(silver([crash(" NA ")], people=[person("UNKNOWN", " NA ")]))
    assert frames.crashes["crash_record_id"].to_list() == ["NA"]
    assert frames.people.select("person_id", "crash_record_id").row(0) == ("UNKNOWN", "NA")
    assert frames.crashes["ppl_count"].to_list() == [1]


@pytest.mark.parametrize(
    ("text", "value", "flags"),
    [
        ("Y", True, []),
        (" y ", True, []),
        ("N", False, []),
        (None, None, []),
        ("", None, []),
        ("U", None, []),
        ("UNKNOWN", None, []),
        ("1", None, ["dooring_i:unparsable"]),
        ("TRUE", None, ["dooring_i:unparsable"]),
    ],
)
def test_flags(text: str | None, value: bool | None, flags: list[str]) -> None:
    row = one_crash(dooring_i=text)
    assert (row["dooring_i"], row["quality_flags"]) == (value, flags)


@pytest.mark.parametrize(
    ("text", "value", "flags"),
    [
        *((text, 30, []) for text in ("30", " 30 ", "30.0", "30.", "3e1", "+30", "0030")),
        *((text, None, []) for text in (None, "", " ", "UNKNOWN", "n/a")),
        *((text, None, ["posted_speed_limit:impossible"]) for text in ("0", "-30", "71", "99", "3e15")),
        *(
            (text, None, ["posted_speed_limit:unparsable"])
            for text in ("30 MPH", "30.5", "NaN", "inf", "1e400", "9223372036854775808", "3_0", "0x1f", "U")
        ),
    ],
)
def test_integers(text: str | None, value: int | None, flags: list[str]) -> None:
    row = one_crash(posted_speed_limit=text)
    assert (row["posted_speed_limit"], row["quality_flags"]) == (value, flags)


@pytest.mark.parametrize("number", [9007199254740993, 2**63 - 1, -(2**63), 0])
@pytest.mark.parametrize("ending", ["", ".0"])
def test_long_integers_keep_all_digits(number: int, ending: str) -> None:
    row = one_vehicle(cmv_id=f"{number}{ending}")
    assert (row["cmv_id"], row["quality_flags"]) == (number, [])


@pytest.mark.parametrize(
    ("text", "value", "flags"),
    [
        ("0.08", 0.08, []),
        ("1", 1.0, []),
        (None, None, []),
        ("1.01", None, ["bac_result_value:impossible"]),
        ("NaN", None, ["bac_result_value:unparsable"]),
        ("high", None, ["bac_result_value:unparsable"]),
    ],
)
def test_reals(text: str | None, value: float | None, flags: list[str]) -> None:
    row = one_person(bac_result_value=text)
    assert (row["bac_result_value"], row["quality_flags"]) == (value, flags)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-05T08:30:00", datetime(2024, 1, 5, 8, 30)),
        ("2024-01-05T08:30:00.250", datetime(2024, 1, 5, 8, 30, 0, 250_000)),
        ("2024-01-05 08:30:00", datetime(2024, 1, 5, 8, 30)),
        # An hour that Chicago's clocks skip stays as published: no zone is assumed.
        ("2024-03-10T02:30:00.000", datetime(2024, 3, 10, 2, 30)),
    ],
)
def test_times_are_local_exactly_as_published(text: str, value: datetime) -> None:
    row = one_crash(date_police_notified=text)
    assert (row["date_police_notified"], row["quality_flags"]) == (value, [])


@pytest.mark.parametrize(
    "text",
    ["01/05/2024", "2024-01-05", "2024-02-30T00:00:00", "2024-01-05T24:00:00", "2024-01-05T08:30:00Z", "soon"],
)
def test_what_is_no_time_is_flagged(text: str) -> None:
    row = one_crash(date_police_notified=text)
    assert (row["date_police_notified"], row["quality_flags"]) == (None, ["date_police_notified:unparsable"])


@pytest.mark.parametrize(
    ("latitude", "longitude", "flags"),
    [
        ("0", "-87.6", ["latitude:impossible"]),
        ("0.0", "0.0", ["latitude:impossible", "longitude:impossible"]),
        ("41.8", "-88.1", ["longitude:impossible"]),
        ("north", "-87.6", ["latitude:unparsable"]),
        ("41.8", None, []),
        (None, "-87.6", []),
        (None, None, []),
    ],
)
def test_a_bad_coordinate_costs_the_place_and_never_the_crash(
    latitude: str | None, longitude: str | None, flags: list[str]
) -> None:
    """Defect 11: the reference deletes such crashes."""
    row = one_crash(**located(latitude, longitude), injuries_total="2")
    assert row["quality_flags"] == flags
    places = ("latitude", "longitude", "location", "lat_bin", "lng_bin", "grid_id")
    assert [row[name] for name in places] == [None] * 6
    assert row["injuries_total"] == 2


@pytest.mark.parametrize(("latitude", "longitude"), [("41.6", "-87.95"), ("42.1", "-87.5")])
def test_the_edges_of_the_city_belong_to_it(latitude: str, longitude: str) -> None:
    row = one_crash(**located(latitude, longitude))
    assert (row["latitude"], row["longitude"]) == (float(latitude), float(longitude))
    assert row["location"] == {"type": "Point", "coordinates": [-87.6, 41.8]}
    assert row["quality_flags"] == []


@pytest.mark.parametrize(
    ("latitude", "longitude", "lat_bin", "lng_bin", "grid_id"),
    [
        ("41.881234", "-87.627654", 41.88, -87.63, "41.88_-87.63"),
        ("41.9", "-87.6", 41.9, -87.6, "41.90_-87.60"),
        # A half goes away from zero, as SQL rounds; half to even would give 41.62 and -87.62.
        ("41.625", "-87.625", 41.63, -87.63, "41.63_-87.63"),
        ("42.0", "-87.70", 42.0, -87.7, "42.00_-87.70"),
    ],
)
def test_bins(latitude: str, longitude: str, lat_bin: float, lng_bin: float, grid_id: str) -> None:
    row = one_crash(**located(latitude, longitude))
    assert (row["lat_bin"], row["lng_bin"], row["grid_id"]) == (lat_bin, lng_bin, grid_id)


@pytest.mark.parametrize(
    ("crash_date", "text", "value", "flags"),
    [
        ("2024-01-05T00:00:00", "2026", 2026, []),
        ("2024-01-05T00:00:00", "2027", None, ["vehicle_year:impossible"]),
        ("2024-01-05T00:00:00", "9999", None, ["vehicle_year:impossible"]),
        ("2024-01-05T00:00:00", "1900", None, ["vehicle_year:impossible"]),
        (None, "2027", 2027, []),
        (None, "9999", None, ["vehicle_year:impossible"]),
    ],
)
def test_a_model_year_runs_two_years_ahead_at_most(
    crash_date: str | None, text: str, value: int | None, flags: list[str]
) -> None:
    row = one_vehicle(crash_date=crash_date, vehicle_year=text)
    assert (row["vehicle_year"], row["quality_flags"]) == (value, flags)


def test_an_unreadable_date_is_flagged_and_the_crash_kept() -> None:
    row = one_crash(crash_date="some day")
    assert row["quality_flags"] == ["crash_date:unparsable"]
    when = ("year", "month", "day", "hour", "day_of_week", "is_weekend", "hour_bin")
    assert [row[name] for name in when] == [None] * 7


@pytest.mark.parametrize(
    ("crash_date", "day_of_week", "weekend"),
    [("2024-01-01", 1, False), ("2024-01-05", 5, False), ("2024-01-06", 6, True), ("2024-01-07", 7, True)],
)
def test_days_count_from_monday(crash_date: str, day_of_week: int, weekend: bool) -> None:
    row = one_crash(crash_date=f"{crash_date}T10:00:00.000")
    assert (row["day_of_week"], row["is_weekend"]) == (day_of_week, weekend)
    assert (row["year"], row["month"], row["day"], row["hour"]) == (2024, 1, int(crash_date[-2:]), 10)


@pytest.mark.parametrize(
    ("hour", "name"),
    [
        *((0, "night"), (6, "night"), (7, "morning"), (12, "morning")),
        *((13, "afternoon"), (18, "afternoon"), (19, "evening"), (23, "evening")),
    ],
)
def test_hours_have_names(hour: int, name: str) -> None:
    assert one_crash(crash_date=f"2024-01-05T{hour:02}:59:59.000")["hour_bin"] == name


def test_ages_count_once_a_person() -> None:
    """Defect 8: over distinct values the mean of 30, 30 and 60 would be 45, and over the first alone 30."""
    ages = ("30", " 30", "60", None, "UNKNOWN", "111")
    people = [person(f"P{n}", "a", age=age) for n, age in enumerate(ages)]
    row = gold_frames(silver([crash("a")], people=people)).crashes.row(0, named=True)
    assert (row["ppl_age_mean"], row["ppl_age_min"], row["ppl_age_max"], row["ppl_count"]) == (40.0, 30, 60, 6)


def test_a_crash_without_units_or_persons_counts_none() -> None:
    row = one_crash()
    assert (row["veh_count"], row["ppl_count"], row["veh_truck_i"], row["veh_mc_i"]) == (0, 0, False, False)
    assert (row["ppl_age_mean"], row["ppl_age_min"], row["ppl_age_max"]) == (None, None, None)


@pytest.mark.parametrize(
    ("kinds", "truck", "motorcycle"),
    [
        (["TRUCK - SINGLE UNIT"], True, False),
        (["PASSENGER", "MOTORCYCLE (OVER 150CC)"], False, True),
        (["PASSENGER", None, "UNKNOWN/NA"], False, False),
    ],
)
def test_trucks_and_motorcycles(kinds: list[str | None], truck: bool, motorcycle: bool) -> None:
    units = [vehicle(n, "a", vehicle_type=kind) for n, kind in enumerate(kinds)]
    row = gold_frames(silver([crash("a")], units)).crashes.row(0, named=True)
    assert (row["veh_truck_i"], row["veh_mc_i"], row["veh_count"]) == (truck, motorcycle, len(kinds))


@pytest.mark.parametrize(
    ("total", "fatal", "incapacitating", "injury", "severe"),
    [
        ("0", "0", "0", False, False),
        ("1", "0", "0", True, False),
        ("2", "1", "0", True, True),
        ("2", "0", "1", True, True),
        (None, None, None, None, None),
        ("1", None, "1", True, None),
    ],
)
def test_an_unknown_outcome_is_not_no_injury(
    total: str | None, fatal: str | None, incapacitating: str | None, injury: bool | None, severe: bool | None
) -> None:
    """Defect 11: the reference turns null injuries into "no injury"."""
    row = one_crash(injuries_total=total, injuries_fatal=fatal, injuries_incapacitating=incapacitating)
    assert (row["injury"], row["injury_severe"]) == (injury, severe)


def test_counts_are_not_capped_and_severity_stays() -> None:
    """Defect 11: the reference caps counts and throws severity away."""
    row = one_crash(injuries_total="57", num_units="18", most_severe_injury="FATAL", injuries_fatal="3")
    assert (row["injuries_total"], row["num_units"], row["most_severe_injury"]) == (57, 18, "FATAL")
    assert row["injuries_fatal"] == 3


def test_all_columns_are_there_and_typed_though_no_row_has_a_value() -> None:
    """Defect 7: the reference infers its schema from 100 rows, and sparse columns vanish."""
    units = [vehicle(n, "a") for n in range(200)] + [vehicle(200, "a", hazmat_report_no="H1", axle_cnt="3")]
    frames = gold_frames(silver([crash("a")], units, [person("P1", "a")]))
    for frame, table in ((frames.crashes, CRASHES), (frames.vehicles, VEHICLES), (frames.people, PEOPLE)):
        engineered = list(ENGINEERED) if table is CRASHES else []
        assert frame.columns == [*table.names, *engineered, "quality_flags"]
        for column in table.columns:
            if column.kind in DTYPES:
                assert frame.schema[column.name] == DTYPES[column.kind], column.name
    assert frames.vehicles.filter(hazmat_report_no="H1")["axle_cnt"].to_list() == [3]
    assert gold_frames(silver()).vehicles.schema == frames.vehicles.schema


def test_of_two_months_rows_of_one_key_the_last_published_counts() -> None:
    """A crash whose date was amended across a month's end stands in both months' Silver."""
    old = silver([crash("a", damage="OLD")], [vehicle(1, "a", make="OLD")])
    new = silver(
        [crash("a", damage="NEW", **{":updated_at": "2024-03-01T00:00:00.000Z"})],
        [vehicle(1, "a", make="NEW", **{":updated_at": "2024-03-01T00:00:00.000Z"})],
    )
    for both in (pl.concat([old, new]), pl.concat([new, old])):
        frames = gold_frames(both)
        assert frames.crashes.select("damage", "veh_count").rows() == [("NEW", 1)]
        assert frames.vehicles["make"].to_list() == ["NEW"]


def test_flags_of_all_columns_are_listed_in_order() -> None:
    row = one_crash(lane_cnt="99", beat_of_occurrence="x", crash_hour="24", dooring_i="?")
    assert row["quality_flags"] == [
        "beat_of_occurrence:unparsable",
        "crash_hour:impossible",
        "dooring_i:unparsable",
        "lane_cnt:impossible",
    ]
