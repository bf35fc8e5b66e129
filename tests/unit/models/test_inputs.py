"""Rows that somebody sends: cleaned as Gold's are, and a wrong one is named."""

from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.features import build
from models.inputs import MOST_ROWS, Inputs, Oddity, from_csv, from_rows, row_id
from streams.domain.clean import GoldFrames, gold_frames
from streams.errors import RequestError
from tests.gold_rows import crash, person, silver, vehicle

CRASHES = [
    crash(
        "a",
        posted_speed_limit="30",
        lane_cnt="99",
        weather_condition=" RAIN ",
        lighting_condition="UNKNOWN",
        hit_and_run_i="Y",
        beat_of_occurrence="1834",
        street_name="STATE ST",
        latitude="41.8812",
        longitude="-87.6278",
        injuries_total="2",
        crash_type="INJURY AND / OR TOW DUE TO CRASH",
    ),
    crash("b", crash_date="2024-07-04T23:59:00.000", latitude="0", longitude="0"),
]
VEHICLES = [
    vehicle(1, "a", vehicle_type="PASSENGER", vehicle_year="2015", towed_i="Y"),
    vehicle(2, "a", vehicle_type="PICKUP", vehicle_year="2999"),
]
PEOPLE = [person("O1", "a", age="30", sex="F", person_type="DRIVER", injury_classification="FATAL")]


def features(frames: GoldFrames) -> pl.DataFrame:
    return build(frames.crashes, frames.vehicles, frames.people)


def nested(crashes: Any, vehicles: Any, people: Any) -> list[dict[str, Any]]:
    def of(rows: Any, crash_id: str) -> list[dict[str, Any]]:
        return [
            {k: v for k, v in row.items() if k != "crash_record_id"}
            for row in rows
            if row["crash_record_id"] == crash_id
        ]

    return [
        {**row, "vehicles": of(vehicles, row["crash_record_id"]), "people": of(people, row["crash_record_id"])}
        for row in crashes
    ]


GOLD = gold_frames(silver(CRASHES, VEHICLES, PEOPLE))


def same_as_gold(inputs: Inputs) -> None:
    expected = features(GOLD).with_columns(crash_record_id=pl.Series([row_id(n) for n in range(len(CRASHES))]))
    assert_frame_equal(features(inputs.frames), expected, check_exact=True)


def test_rows_as_published_have_the_features_that_they_have_in_gold() -> None:
    inputs = from_rows(nested(CRASHES, VEHICLES, PEOPLE))
    same_as_gold(inputs)
    assert inputs.ids == ("a", "b")


def test_rows_typed_as_gold_types_them_have_the_same_features() -> None:
    tables = (GOLD.crashes, GOLD.vehicles, GOLD.people)
    as_json = [[{k: v for k, v in row.items() if k != "location"} for row in frame.to_dicts()] for frame in tables]
    for row in [row for rows in as_json for row in rows]:
        row.update({name: value.isoformat() for name, value in row.items() if hasattr(value, "isoformat")})
    inputs = from_rows(nested(*as_json))
    same_as_gold(inputs)
    assert inputs.unknown == ()
    assert inputs.ignored["veh_count"] == inputs.ignored["hour"] == "is worked out from the other columns"


def test_csv_as_gold_exports_it_has_the_same_features() -> None:
    frames = gold_frames(silver(CRASHES, [], []))
    csv = frames.crashes.drop("location", "quality_flags").write_csv().encode()
    rows = from_csv(b"\xef\xbb\xbf" + csv)
    assert_frame_equal(features(rows.frames).drop("crash_record_id"), features(frames).drop("crash_record_id"))
    assert rows.ids == ("a", "b")


def test_what_was_found_is_told_by_column() -> None:
    rows = [{**row, "colour": "red"} for row in nested(CRASHES, VEHICLES, PEOPLE)]
    inputs = from_rows(rows)
    assert inputs.unknown == ("colour",)
    assert inputs.ignored.keys() == {
        *("injuries_total", "crash_type", "people.injury_classification"),
        *(":updated_at", "vehicles.:updated_at", "people.:updated_at"),
    }
    assert {"hit_and_run_i", "vehicles.vehicle_year", "people.age"} <= inputs.given
    assert inputs.impossible == (
        Oddity("rows.0.lane_cnt", "99"),
        Oddity("rows.1.latitude", "0"),
        Oddity("rows.1.longitude", "0"),
        Oddity("rows.0.vehicles.1.vehicle_year", "2999"),
    )


def test_an_outcome_is_not_looked_at_whatever_it_says() -> None:
    said, unsaid = ({"crash_date": "2024-01-05T08:30:00", **more} for more in ({"injuries_total": "many"}, {}))
    assert from_rows([said]).frames.crashes["injuries_total"].to_list() == [None]
    assert_frame_equal(features(from_rows([said]).frames), features(from_rows([unsaid]).frames))


def test_ids_may_be_missing_or_come_twice() -> None:
    rows = [{"crash_record_id": "x", "posted_speed_limit": limit, "people": [{"age": limit}]} for limit in (20, 35)]
    inputs = from_rows([*rows, {"posted_speed_limit": 50}])
    assert inputs.ids == ("x", "x", None)
    assert features(inputs.frames)["posted_speed_limit"].to_list() == [20, 35, 50]
    assert features(inputs.frames)["age_oldest"].to_list() == [20, 35, None]


def test_a_single_row_needs_no_path() -> None:
    with pytest.raises(RequestError) as refused:
        from_rows([{"people": [{"age": "old"}]}], path="")
    assert refused.value.field == "people.0.age"


GOOD = {"posted_speed_limit": 30}


@pytest.mark.parametrize(
    ("rows", "field", "words"),
    [
        ([GOOD, {"posted_speed_limit": "fast"}], "rows.1.posted_speed_limit", "'fast' is no whole number"),
        ([{"posted_speed_limit": 30.5}], "rows.0.posted_speed_limit", "no whole number"),
        ([{"latitude": "north"}], "rows.0.latitude", "no number"),
        ([{"hit_and_run_i": "perhaps"}], "rows.0.hit_and_run_i", "no yes or no"),
        ([{"crash_date": "05/01/2024"}], "rows.0.crash_date", "without a zone"),
        ([{"crash_date": "2024-01-05T08:30:00Z"}], "rows.0.crash_date", "without a zone"),
        ([{"crash_date": "2024-13-05T08:30:00"}], "rows.0.crash_date", "no time"),
        ([{"weather_condition": ["RAIN"]}], "rows.0.weather_condition", "single value"),
        ([{**GOOD, "vehicles": {"make": "FORD"}}], "rows.0.vehicles", "as a list"),
        ([{**GOOD, "vehicles": [{"vehicle_year": "new"}]}], "rows.0.vehicles.0.vehicle_year", "no whole number"),
        ([{**GOOD, "people": ["me"]}], "rows.0.people.0", "is an object"),
        ([GOOD, 7], "rows.1", "is an object"),
        ([{"colour": "red"}], "rows", "no column of a crash"),
        ([], "rows", "at least one"),
        ([GOOD] * (MOST_ROWS + 1), "rows", "at most 10,000"),
    ],
)
def test_a_wrong_row_is_named_with_its_field_and_the_remedy(rows: list[Any], field: str, words: str) -> None:
    with pytest.raises(RequestError, match=words) as refused:
        from_rows(rows)
    assert (refused.value.field, bool(refused.value.hint)) == (field, True)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"posted_speed_limit,lane_cnt\n30,2\n30\n", "rows.1: 1 fields, where the header has 2"),
        (b"lane_cnt,lane_cnt\n1,2\n", "twice"),
        (b"street_name\n\xff\n", "UTF-8"),
        (b'street_name\n"STATE\n', "cannot be read"),
        (b"posted_speed_limit\nfast\n", "rows.0.posted_speed_limit"),
        (b"colour;shape\nred;round\n", "no column of a crash"),
        (b"", "at least one"),
        (b"posted_speed_limit\n", "at least one"),
    ],
)
def test_a_wrong_csv_is_explained(body: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        from_csv(body)
