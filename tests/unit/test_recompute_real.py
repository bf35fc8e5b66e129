"""The recomputation over the portal's real rows, against plain Python loops."""

import json
import os
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from streams.domain.schemas import TABLES
from tests.recompute import expected

REAL = Path(os.environ.get("CRASH_REAL_DATA", Path(__file__).parents[3] / "shared" / "data")) / "portal"

pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"the portal's real rows are not at {REAL}")

Row = dict[str, Any]


def select(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """Rows of a query; bare values where it has one column."""
    rows = connection.execute(sql).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


@pytest.fixture(scope="module")
def rows() -> dict[str, list[Row]]:
    return {name: json.loads((REAL / f"{name}.json").read_text("utf-8")) for name in TABLES}


@pytest.fixture(scope="module")
def gold() -> duckdb.DuckDBPyConnection:
    return expected(REAL)


def test_all_rows(gold: duckdb.DuckDBPyConnection) -> None:
    counts = [select(gold, f"SELECT count(*) FROM {name}")[0] for name in TABLES]
    assert counts == [3096, 1000, 4466]


def test_coordinates(rows: dict[str, list[Row]], gold: duckdb.DuckDBPyConnection) -> None:
    places = {
        row["crash_record_id"]: (float(row["latitude"]), float(row["longitude"]))
        for row in rows["crashes"]
        if "latitude" in row and "longitude" in row
    }
    inside = {key: place for key, place in places.items() if 41.6 <= place[0] <= 42.1 and -87.95 <= place[1] <= -87.5}
    found = select(gold, "SELECT crash_record_id, latitude, longitude FROM crashes WHERE latitude IS NOT NULL")
    assert {key: (lat, lng) for key, lat, lng in found} == inside
    assert len(rows["crashes"]) - len(inside) == 520
    assert select(gold, "SELECT count(*) FROM crashes WHERE longitude IS NULL") == [520]
    assert select(gold, "SELECT count(*) FROM crashes WHERE location IS NULL") == [520]
    bins = select(gold, "SELECT crash_record_id, grid_id FROM crashes WHERE grid_id IS NOT NULL")
    assert dict(bins) == {key: f"{lat:.2f}_{lng:.2f}" for key, (lat, lng) in inside.items()}


def test_injuries(rows: dict[str, list[Row]], gold: duckdb.DuckDBPyConnection) -> None:
    totals = [int(row["injuries_total"]) for row in rows["crashes"] if "injuries_total" in row]
    assert select(gold, "SELECT sum(injuries_total), count(injuries_total) FROM crashes") == [
        (sum(totals), len(totals))
    ]
    assert select(gold, "SELECT count(*) FROM crashes WHERE injury") == [sum(n > 0 for n in totals)]


def test_text_is_as_published(rows: dict[str, list[Row]], gold: duckdb.DuckDBPyConnection) -> None:
    nothing = {"UNKNOWN", "UNK", "UNKN", "UNKOWN", "UNKNOWN/NA", "N/A", "NA", ""}
    for name, table in TABLES.items():
        for column in ("crash_record_id", "first_crash_type", "make", "vehicle_type", "city", "sex"):
            if column not in table.names:
                continue
            found = dict(select(gold, f"SELECT CAST({table.key} AS VARCHAR), {column} FROM {name}"))
            texts = {row[table.key]: (row.get(column) or "").strip() for row in rows[name]}
            assert found == {key: None if text.upper() in nothing else text for key, text in texts.items()}


def test_engineered(rows: dict[str, list[Row]], gold: duckdb.DuckDBPyConnection) -> None:
    kinds: dict[str, list[str]] = defaultdict(list)
    ages: dict[str, list[int]] = defaultdict(list)
    people: dict[str, int] = defaultdict(int)
    for row in rows["vehicles"]:
        kinds[row["crash_record_id"]].append(row.get("vehicle_type", ""))
    for row in rows["people"]:
        people[row["crash_record_id"]] += 1
        if "age" in row and 0 <= int(row["age"]) <= 110:
            ages[row["crash_record_id"]].append(int(row["age"]))

    def some(of: list[int], what: Callable[[list[int]], float]) -> float | None:
        return what(of) if of else None

    hour_bins = ["night"] * 7 + ["morning"] * 6 + ["afternoon"] * 6 + ["evening"] * 5
    wanted = {}
    for row in rows["crashes"]:
        key, time = row["crash_record_id"], datetime.fromisoformat(row["crash_date"])
        mine = ages[key]
        wanted[key] = (
            time.year, time.month, time.day, time.hour, time.isoweekday(), time.isoweekday() > 5,
            hour_bins[time.hour],
            len(kinds[key]), people[key],
            any("TRUCK" in kind for kind in kinds[key]), any("MOTORCYCLE" in kind for kind in kinds[key]),
            some(mine, lambda of: sum(of) / len(of)), some(mine, min), some(mine, max),
        )  # fmt: skip
    found = select(
        gold,
        "SELECT crash_record_id, year, month, day, hour, day_of_week, is_weekend, hour_bin, veh_count, "
        "ppl_count, veh_truck_i, veh_mc_i, ppl_age_mean, ppl_age_min, ppl_age_max FROM crashes",
    )
    assert {row[0]: row[1:] for row in found} == wanted
    # A comparison of nothings would pass too.
    assert any(row[8] for row in found)
    assert any(row[10] for row in found)
    assert any(row[12] for row in found)
