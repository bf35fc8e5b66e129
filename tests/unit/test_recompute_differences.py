"""That the comparison finds each way in which Gold can differ, and nothing where it does not."""

import math

import duckdb
import pyarrow as pa
import pytest

from streams.domain.schemas import TABLES
from tests.recompute import differences, expected

HERE = {"type": "Point", "coordinates": [-87.63, 41.88]}


@pytest.fixture(scope="module")
def three() -> duckdb.DuckDBPyConnection:
    return expected(
        {
            "crashes": [
                {
                    "crash_record_id": key,
                    "street_name": "STATE ST",
                    "latitude": "41.88",
                    "longitude": "-87.63",
                    "location": HERE,
                    "lane_cnt": "99",
                }
                for key in "abc"
            ],
            "vehicles": [{"crash_unit_id": "1", "crash_record_id": "a"}],
            "people": [{"person_id": "P1", "crash_record_id": "a", "age": "40"}],
        }
    )


def tables(connection: duckdb.DuckDBPyConnection, **queries: str) -> dict[str, pa.Table]:
    """Copies of the three tables, some of them altered by a query."""
    return {name: connection.execute(queries.get(name, f"FROM {name}")).to_arrow_table() for name in TABLES}


class TestDifferences:
    def test_none(self, three: duckdb.DuckDBPyConnection) -> None:
        assert differences(three, three) == []
        assert differences(three, tables(three, crashes="FROM crashes ORDER BY crash_record_id DESC")) == []

    @pytest.mark.parametrize(
        ("query", "lines"),
        [
            (
                "SELECT * REPLACE (CASE crash_record_id WHEN 'b' THEN 'LAKE ST' ELSE street_name END "
                "AS street_name) FROM crashes",
                ["crashes.street_name: 1 cells differ, e.g. crash_record_id 'b': "
                 "expected 'STATE ST', got 'LAKE ST'"],
            ),
            ("FROM crashes WHERE crash_record_id <> 'a'", ["crashes: 1 keys ('a') missing"]),
            (
                "FROM crashes UNION ALL SELECT * REPLACE ('d' AS crash_record_id) FROM crashes "
                "WHERE crash_record_id = 'a'",
                ["crashes: 1 keys ('d') not expected"],
            ),
            (
                "FROM crashes UNION ALL FROM crashes WHERE crash_record_id = 'c'",
                ["crashes: 1 keys ('c') null or repeated"],
            ),
            (
                "SELECT * REPLACE (CAST(NULL AS VARCHAR[]) AS quality_flags) FROM crashes",
                ["crashes.quality_flags: 3 cells differ, e.g. crash_record_id 'a': "
                 "expected ['lane_cnt:impossible'], got None"],
            ),
            (
                "SELECT * REPLACE ('' AS weather_condition) FROM crashes",
                ["crashes.weather_condition: 3 cells differ, e.g. crash_record_id 'a': "
                 "expected None, got ''"],
            ),
            (
                "SELECT * REPLACE (CAST(veh_count AS BIGINT) AS veh_count) FROM crashes",
                ["crashes.veh_count: is BIGINT, should be INTEGER"],
            ),
            ("SELECT * EXCLUDE (lane_cnt) FROM crashes", ["crashes.lane_cnt: no such column"]),
            ("SELECT *, 1 AS extra FROM crashes", ["crashes.extra: not a column of Gold"]),
            ("SELECT * EXCLUDE (crash_record_id) FROM crashes", ["crashes.crash_record_id: no such column"]),
            (
                "SELECT * REPLACE (nextafter(latitude, CAST(90 AS DOUBLE)) AS latitude) FROM crashes",
                ["crashes.latitude: 3 cells differ, e.g. crash_record_id 'a': "
                 f"expected 41.88, got {math.nextafter(41.88, 90)!r}"],
            ),
            (
                "SELECT * REPLACE (CASE crash_record_id WHEN 'c' THEN {'type': 'Point', 'coordinates': "
                "[41.88::DOUBLE, -87.63]} ELSE location END AS location) FROM crashes",
                ["crashes.location: 1 cells differ, e.g. crash_record_id 'c': "
                 f"expected {HERE}, got {HERE | {'coordinates': [41.88, -87.63]}}"],
            ),
        ],
    )  # fmt: skip
    def test_each_is_found(self, three: duckdb.DuckDBPyConnection, query: str, lines: list[str]) -> None:
        assert differences(three, tables(three, crashes=query)) == lines

    def test_an_empty_list_is_not_null(self, three: duckdb.DuckDBPyConnection) -> None:
        got = tables(three, people="SELECT * REPLACE (NULL::VARCHAR[] AS quality_flags) FROM people")
        assert differences(three, got) == [
            "people.quality_flags: 1 cells differ, e.g. person_id 'P1': expected [], got None"
        ]

    def test_a_null_key_is_found(self, three: duckdb.DuckDBPyConnection) -> None:
        got = tables(three, vehicles="SELECT * REPLACE (NULL::BIGINT AS crash_unit_id) FROM vehicles")
        assert differences(three, got) == [
            "vehicles: 1 keys (1) missing",
            "vehicles: 1 keys (None) not expected",
            "vehicles: 1 keys (None) null or repeated",
        ]

    def test_a_missing_table_is_found(self, three: duckdb.DuckDBPyConnection) -> None:
        got = tables(three)
        del got["people"]
        assert differences(three, got) == ["people: no such table"]

    def test_at_most_five_keys_are_shown(self) -> None:
        gold = expected({"people": [{"person_id": f"P{i}"} for i in range(7)]})
        assert differences(gold, expected({})) == ["people: 7 keys ('P0', 'P1', 'P2', 'P3', 'P4', …) missing"]
