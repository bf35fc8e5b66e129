"""What `City` promises: the shape of the rows, the same rows every time, and how many."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from streams.errors import RequestError
from streams.local.portal.city import City, Tables
from streams.local.portal.datasets import DATASETS

TEXT = pl.String
POINT = pl.Struct({"type": pl.String, "coordinates": pl.List(pl.Float64)})
STAMP = pl.Datetime("ms")


def digest(chunks: Iterable[Tables]) -> str:
    whole = hashlib.sha256()
    for chunk in chunks:
        for table in chunk.values():
            whole.update(table.write_ndjson().encode())
    return whole.hexdigest()


def small() -> str:
    return digest(City(3).history(date(2024, 2, 27), date(2024, 3, 3), 700))


def test_all_columns_as_text_and_the_point_as_a_struct(year):
    for name, width in (("crashes", 48), ("vehicles", 71), ("people", 29)):
        schema = getattr(year, name).schema
        columns = list(DATASETS[name].columns)
        assert len(columns) == width
        assert list(schema) == [*columns, ":created_at", ":updated_at"]
        for column, dtype in schema.items():
            expected = STAMP if column.startswith(":") else POINT if column == "location" else TEXT
            assert dtype == expected, column


def test_numbers_and_times_are_written_as_the_portal_writes_them(year):
    def all_match(column: str, pattern: str) -> bool:
        return bool(year.crashes[column].drop_nulls().str.contains(pattern).all())

    assert all_match("crash_date", r"^2023-\d\d-\d\dT\d\d:\d\d:00\.000$")
    assert all_match("date_police_notified", r"^202\d-\d\d-\d\dT\d\d:\d\d:00\.000$")
    assert all_match("posted_speed_limit", r"^\d+$")
    assert all_match("latitude", r"^(4[12]\.\d+|0\.0)$")
    assert all_match("crash_record_id", r"^[0-9a-f]{128}$")


def test_the_number_of_crashes_is_exact_and_they_are_in_time_order(year):
    assert len(year.crashes) == 50_000
    day = year.crashes["crash_date"].str.slice(0, 10)
    assert day.is_sorted()
    assert day[0] == "2023-01-01"
    assert day[-1] == "2023-12-31"


def test_the_same_city_again_and_another_for_another_seed():
    assert small() == small()
    assert small() != digest(City(4).history(date(2024, 2, 27), date(2024, 3, 3), 700))


def test_the_same_city_in_another_process():
    """Neither Python's hash seed nor the number of threads may matter."""
    program = "from tests.unit.city.test_history import small; print(small())"
    surroundings = os.environ | {"PYTHONHASHSEED": "4711", "POLARS_MAX_THREADS": "1"}
    other = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=surroundings,
        cwd=Path(__file__).parents[3],
        check=True,
    )
    assert other.stdout.strip() == small()


def test_a_block_does_not_depend_on_what_came_before_it():
    both = list(City(3).history(date(2024, 2, 20), date(2024, 4, 1)))
    [march] = City(3).history(date(2024, 3, 1), date(2024, 4, 1))
    assert len(both) == 2
    for name, table in march.items():
        assert_frame_equal(both[1][name], table)


def test_chunks_stay_small_when_days_are_crowded():
    chunks = [len(c["crashes"]) for c in City(3).history(date(2024, 5, 1), date(2024, 5, 11), 120_000)]
    assert sum(chunks) == 120_000
    assert max(chunks) < 65_000


def test_the_natural_rate_is_about_three_hundred_a_day():
    crashes = pl.concat(chunk["crashes"] for chunk in City(5).history(date(2022, 1, 1), date(2022, 5, 1)))
    per_day = crashes.group_by(pl.col("crash_date").str.slice(0, 10)).len()["len"]
    assert len(per_day) == 120
    assert 260 < per_day.mean() < 310  # the first months of a year are its quietest
    assert per_day.min() > 120
    assert per_day.max() < 600


def test_ids_are_unique_over_history_and_life(year):
    live = year.city.happening(datetime(2023, 6, 1), 86_400)
    for name, dataset in DATASETS.items():
        ids = pl.concat([getattr(year, name)[dataset.key], live[name][dataset.key]])
        assert ids.is_unique().all(), name
    vehicle_ids = pl.concat([year.vehicles["vehicle_id"], live["vehicles"]["vehicle_id"]]).drop_nulls()
    assert vehicle_ids.is_unique().all()
    assert year.vehicles["cmv_id"].drop_nulls().is_unique().all()


def test_no_system_time_lies_after_the_end_or_before_the_report(year):
    midnight = datetime(2024, 1, 1, 6)  # of Chicago, in UTC
    for table in (year.crashes, year.vehicles, year.people):
        assert table[":updated_at"].max() <= midnight
        assert (table[":created_at"] <= table[":updated_at"]).all()
    filed = year.crashes["date_police_notified"].str.to_datetime("%Y-%m-%dT%H:%M:%S%.3f")
    early = year.crashes.filter((pl.col(":created_at") < filed + timedelta(hours=5)) & (filed < datetime(2023, 12, 31)))
    assert early.is_empty()
    amended = (year.crashes[":created_at"] < year.crashes[":updated_at"]).mean()
    assert 0.08 < amended < 0.16


def test_windows_of_life_neither_repeat_nor_miss():
    city = City(9)
    start = datetime(2024, 7, 3, 20, 15, tzinfo=UTC)
    whole = city.happening(start, 36_000)
    parts = [city.happening(start + timedelta(seconds=s), 1_250) for s in range(0, 36_000, 1_250)]
    assert len(whole["crashes"]) > 60
    for name, table in whole.items():
        assert_frame_equal(pl.concat(part[name] for part in parts), table)


def test_life_goes_at_the_natural_rate_and_with_all_its_people():
    city = City(9)
    day = city.happening(datetime(2024, 7, 1), 14 * 86_400)
    assert 14 * 250 < len(day["crashes"]) < 14 * 420
    assert set(day["people"]["crash_record_id"]) <= set(day["crashes"]["crash_record_id"])
    assert set(day["vehicles"]["crash_record_id"]) == set(day["crashes"]["crash_record_id"])
    at = day["crashes"]["crash_date"]
    assert at.min() >= "2024-06-30T23:00"
    assert at.max() < "2024-07-15"


def test_wall_time_and_utc_mean_the_same_moment():
    city = City(9)
    wall = city.happening(datetime(2024, 1, 10, 8), 7_200)
    utc = city.happening(datetime(2024, 1, 10, 14, tzinfo=UTC), 7_200)
    for name, table in wall.items():
        assert_frame_equal(utc[name], table)


def test_hours_that_a_clock_change_repeats_or_skips_are_lived_once():
    city = City(9)
    for day in (datetime(2024, 3, 10, 6, tzinfo=UTC), datetime(2024, 11, 3, 5, tzinfo=UTC)):
        hours = [city.happening(day + timedelta(hours=h), 3_600)["crashes"] for h in range(25)]
        ids = pl.concat(hours)["crash_record_id"]
        assert ids.is_unique().all()
        whole = city.happening(day, 25 * 3_600)["crashes"]
        assert len(ids) == len(whole) > 100


@pytest.mark.parametrize(
    ("start", "end", "crashes", "field"),
    [
        (date(2024, 1, 2), date(2024, 1, 2), None, "start"),
        (date(2024, 1, 2), date(2024, 1, 1), None, "start"),
        (date(1999, 1, 2), date(2024, 1, 1), None, "start"),
        (date(2024, 1, 1), date(2024, 1, 2), 60_000, "crashes"),
    ],
)
def test_what_cannot_be_is_refused(start, end, crashes, field):
    with pytest.raises(RequestError) as refused:
        next(City(1).history(start, end, crashes))
    assert refused.value.field == field
    assert refused.value.hint
