"""Each rule of the recomputation, against values written by hand."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from streams.domain.schemas import TABLES
from streams.records import Dataset
from tests.recompute import differences, expected

Row = dict[str, Any]


def point(lng: float, lat: float) -> Row:
    return {"type": "Point", "coordinates": [lng, lat]}


def select(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    """Rows of a query; bare values where it has one column."""
    rows = connection.execute(sql).fetchall()
    return [row[0] if len(row) == 1 else row for row in rows]


def cleaned(dataset: Dataset, column: str, texts: Sequence[str | None]) -> list[tuple[Any, list[str]]]:
    """Value and flags that each text gets in a column, in the order given."""
    key = TABLES[dataset].key
    rows = [{key: str(1000 + i), column: text} for i, text in enumerate(texts)]
    return select(expected({dataset: rows}), f"SELECT {column}, quality_flags FROM {dataset} ORDER BY {key}")


class TestText:
    def test_is_trimmed_and_keeps_its_case(self) -> None:
        texts = ["  Main st ", "\tA\u00a0", "\u2003B\n", "NOT UNKNOWN", "UNKNOWN WEATHER", "a  b"]
        assert [value for value, _ in cleaned("crashes", "street_name", texts)] == [
            "Main st", "A", "B", "NOT UNKNOWN", "UNKNOWN WEATHER", "a  b",
        ]  # fmt: skip

    def test_unknown_like_is_null_without_a_flag(self) -> None:
        texts = ["", "   ", "unknown", " UNK", "Unkn", "UNKOWN", "UNKNOWN/NA", "n/a", "NA", None]
        assert cleaned("people", "city", texts) == [(None, [])] * len(texts)

    def test_identities_are_trimmed_but_never_null(self) -> None:
        rows = {
            "crashes": [{"crash_record_id": " UNKNOWN "}],
            "vehicles": [{"crash_unit_id": " 7 ", "crash_record_id": "UNKNOWN"}],
            "people": [{"person_id": " NA", "crash_record_id": " "}],
        }
        gold = expected(rows)
        assert select(gold, "SELECT crash_record_id, veh_count FROM crashes") == [("UNKNOWN", 1)]
        assert select(gold, "SELECT crash_unit_id, crash_record_id FROM vehicles") == [(7, "UNKNOWN")]
        assert select(gold, "SELECT person_id, crash_record_id FROM people") == [("NA", "")]


def test_flags() -> None:
    texts = ["Y", " n ", "y", "U", "u ", "", "UNKNOWN", None, "YES", "1", "true"]
    odd = (None, ["hit_and_run_i:unparsable"])
    assert cleaned("crashes", "hit_and_run_i", texts) == [
        (True, []), (False, []), (True, []), (None, []), (None, []), (None, []), (None, []), (None, []),
        odd, odd, odd,
    ]  # fmt: skip


class TestNumbers:
    def test_integers(self) -> None:
        good = ["30", " 30.0 ", "3e1", "3E+1", "300e-1", "+30", "30.", "0030", "3.0e1"]
        assert cleaned("crashes", "posted_speed_limit", good) == [(30, [])] * len(good)

    def test_what_is_no_integer(self) -> None:
        bad = ["x", "30.5", "3e-1", "NaN", "inf", "-Infinity", "1e400", "1_0", "1,000", "0x1E", "3 0", ".", "-",
               "99999999999999999999", "٣"]  # fmt: skip
        assert cleaned("crashes", "posted_speed_limit", bad) == [(None, ["posted_speed_limit:unparsable"])] * len(bad)

    def test_what_is_impossible(self) -> None:
        texts = ["0", "1", "70", "71", "-30", "4294967326", "9223372036854775807", "9223372036854775808"]
        impossible = (None, ["posted_speed_limit:impossible"])
        assert cleaned("crashes", "posted_speed_limit", texts) == [
            impossible, (1, []), (70, []), impossible, impossible, impossible, impossible,
            (None, ["posted_speed_limit:unparsable"]),
        ]  # fmt: skip

    def test_unknown_is_no_fault(self) -> None:
        assert cleaned("people", "age", ["", " ", "unknown", "N/A", None]) == [(None, [])] * 5

    def test_64_bits_are_exact(self) -> None:
        texts = ["9007199254740993", "9007199254740993.0", "9007199254740993.5", "-9223372036854775808",
                 "9223372036854775807", "9223372036854775808", "1e3"]  # fmt: skip
        bad = (None, ["cmv_id:unparsable"])
        assert cleaned("vehicles", "cmv_id", texts) == [
            (9007199254740993, []), (9007199254740993, []), bad, (-9223372036854775808, []),
            (9223372036854775807, []), bad, (1000, []),
        ]  # fmt: skip

    def test_reals(self) -> None:
        texts = ["0.08", " .1", "1", "1.01", "-0.01", "8e-2", "nan", "inf", "1e400", "high", "", "UNK"]
        impossible, bad = (None, ["bac_result_value:impossible"]), (None, ["bac_result_value:unparsable"])
        assert cleaned("people", "bac_result_value", texts) == [
            (0.08, []), (0.1, []), (1.0, []), impossible, impossible, (0.08, []), bad, bad, bad, bad, (None, []),
            (None, []),
        ]  # fmt: skip


def test_times() -> None:
    good = ["2024-02-29T23:59:59.123", "2024-02-29 23:59:59", " 2024-03-10T02:30:00.000 "]
    bad = ["2023-02-29T00:00:00", "2024-01-01T24:00:00", "2024-01-01T00:00:60", "2024-01-01T00:00:00Z",
           "2024-01-01T00:00:00-06:00", "2024-01-01", "01/02/2024 10:00:00 AM", "soon"]  # fmt: skip
    assert cleaned("crashes", "date_police_notified", [*good, *bad, "", None]) == [
        (datetime(2024, 2, 29, 23, 59, 59, 123000), []),
        (datetime(2024, 2, 29, 23, 59, 59), []),
        (datetime(2024, 3, 10, 2, 30), []),
        *[(None, ["date_police_notified:unparsable"])] * len(bad),
        (None, []),
        (None, []),
    ]


def test_coordinates_stand_and_fall_together() -> None:
    here = point(-87.63, 41.88)
    cases: list[tuple[str | None, str | None, Row | None, tuple[Any, ...]]] = [
        ("41.88", "-87.63", here, (41.88, -87.63, here, [])),
        ("41.6", "-87.95", None, (41.6, -87.95, None, [])),
        ("42.1", " -87.5", here, (42.1, -87.5, here, [])),
        ("0", "0", point(0, 0), (None, None, None, ["latitude:impossible", "longitude:impossible"])),
        ("42.11", "-87.63", here, (None, None, None, ["latitude:impossible"])),
        ("41.88", "-87.96", here, (None, None, None, ["longitude:impossible"])),
        ("41.88", None, here, (None, None, None, [])),
        (None, "-87.63", here, (None, None, None, [])),
        ("north", "-87.63", here, (None, None, None, ["latitude:unparsable"])),
        ("0", "west", here, (None, None, None, ["latitude:impossible", "longitude:unparsable"])),
        (None, "0", here, (None, None, None, ["longitude:impossible"])),
        ("", "UNKNOWN", here, (None, None, None, [])),
        (None, None, None, (None, None, None, [])),
    ]
    rows = [
        {"crash_record_id": f"{i:02}", "latitude": lat, "longitude": lng, "location": location}
        for i, (lat, lng, location, _) in enumerate(cases)
    ]
    gold = expected({"crashes": rows})
    columns = "latitude, longitude, location, quality_flags"
    assert select(gold, f"SELECT {columns} FROM crashes ORDER BY crash_record_id") == [case[-1] for case in cases]


def test_a_car_is_at_most_two_model_years_ahead() -> None:
    cases: list[tuple[str | None, str, int | None, list[str]]] = [
        ("2022-06-01T00:00:00.000", "2024", 2024, []),
        ("2022-06-01T00:00:00.000", "2025", None, ["vehicle_year:impossible"]),
        ("2022-06-01T00:00:00.000", "1900", None, ["vehicle_year:impossible"]),
        (None, "2025", 2025, []),
        (None, "9999", None, ["vehicle_year:impossible"]),
        ("soon", "9998", 9998, ["crash_date:unparsable"]),
        ("soon", "9999", None, ["crash_date:unparsable", "vehicle_year:impossible"]),
    ]
    rows = [
        {"crash_unit_id": str(i), "crash_date": date, "vehicle_year": year}
        for i, (date, year, _, _) in enumerate(cases)
    ]
    gold = expected({"vehicles": rows})
    found = select(gold, "SELECT vehicle_year, quality_flags FROM vehicles ORDER BY crash_unit_id")
    assert found == [case[2:] for case in cases]


def test_flags_are_sorted_and_no_row_is_dropped() -> None:
    gold = expected({"crashes": [{"crash_record_id": "a", "num_units": "0", "crash_hour": "x", "lane_cnt": "99"}]})
    assert select(gold, "SELECT quality_flags FROM crashes") == [
        ["crash_hour:unparsable", "lane_cnt:impossible", "num_units:impossible"]
    ]


class TestEngineered:
    def test_the_clock(self) -> None:
        # 2024-01-05 was a Friday.
        times = ["2024-01-05T00:00:00.000", "2024-01-05T06:59:59.000", "2024-01-05T07:00:00.000",
                 "2024-01-06T12:59:00.000", "2024-01-06T13:00:00.000", "2024-01-07T18:59:00.000",
                 "2024-01-07T19:00:00.000", "2024-01-08T23:59:59.999", None]  # fmt: skip
        gold = expected({"crashes": [{"crash_record_id": str(i), "crash_date": time} for i, time in enumerate(times)]})
        columns = "year, month, day, hour, day_of_week, is_weekend, hour_bin"
        assert select(gold, f"SELECT {columns} FROM crashes ORDER BY crash_record_id") == [
            (2024, 1, 5, 0, 5, False, "night"),
            (2024, 1, 5, 6, 5, False, "night"),
            (2024, 1, 5, 7, 5, False, "morning"),
            (2024, 1, 6, 12, 6, True, "morning"),
            (2024, 1, 6, 13, 6, True, "afternoon"),
            (2024, 1, 7, 18, 7, True, "afternoon"),
            (2024, 1, 7, 19, 7, True, "evening"),
            (2024, 1, 8, 23, 1, False, "evening"),
            (None,) * 7,
        ]

    def test_the_grid(self) -> None:
        places = [("41.884", "-87.634"), ("41.886", "-87.636"), ("41.885", "-87.625"), ("42", "-87.5"),
                  ("41.895", "-87.645"), ("0", "-87.6")]  # fmt: skip
        gold = expected(
            {
                "crashes": [
                    {"crash_record_id": str(i), "latitude": lat, "longitude": lng}
                    for i, (lat, lng) in enumerate(places)
                ]
            }
        )
        assert select(gold, "SELECT lat_bin, lng_bin, grid_id FROM crashes ORDER BY crash_record_id") == [
            (41.88, -87.63, "41.88_-87.63"),
            (41.89, -87.64, "41.89_-87.64"),
            (41.89, -87.63, "41.89_-87.63"),  # halves go away from zero
            (42.0, -87.5, "42.00_-87.50"),
            (41.9, -87.65, "41.90_-87.65"),
            (None, None, None),
        ]

    def test_units_and_people(self) -> None:
        def unit(key: int, crash: str, kind: str | None) -> Row:
            return {"crash_unit_id": str(key), "crash_record_id": crash, "vehicle_type": kind}

        def person(key: str, crash: str, age: str | None) -> Row:
            return {"person_id": key, "crash_record_id": crash, "age": age}

        gold = expected(
            {
                "crashes": [{"crash_record_id": crash} for crash in "abcd"],
                "vehicles": [
                    unit(1, " a ", "TRUCK - SINGLE UNIT"),
                    unit(2, "a", "PASSENGER"),
                    unit(3, "b", "MOTORCYCLE (OVER 150CC)"),
                    unit(4, "b", None),
                    unit(5, "c", "UNKNOWN/NA"),
                    unit(6, "not yet", "TRUCK"),
                ],
                "people": [
                    person("P1", "a", "30"),
                    person("P2", "a", "30"),
                    person("P3", "a", "60"),
                    person("P4", "a", None),
                    person("P5", "b", "111"),
                    person("P6", "c", "0"),
                    person("P7", "c", "110"),
                    person("P8", "not yet", "50"),
                ],
            }
        )
        columns = "crash_record_id, veh_count, ppl_count, veh_truck_i, veh_mc_i, ppl_age_mean, ppl_age_min, ppl_age_max"
        assert select(gold, f"SELECT {columns} FROM crashes ORDER BY 1") == [
            ("a", 2, 4, True, False, 40.0, 30, 60),
            ("b", 2, 1, False, True, None, None, None),
            ("c", 1, 2, False, False, 55.0, 0, 110),
            ("d", 0, 0, False, False, None, None, None),
        ]
        assert select(gold, "SELECT count(*) FROM vehicles") == [6]
        assert select(gold, "SELECT count(*) FROM people") == [8]

    def test_outcomes(self) -> None:
        cases = {
            ("0", "0", "0"): (False, False),
            ("1", "0", "0"): (True, False),
            ("2", "1", "0"): (True, True),
            ("2", "0", "2"): (True, True),
            (None, None, None): (None, None),
            ("1", None, "1"): (True, None),
            ("1", "1", None): (True, None),
            ("-1", "0", "0"): (None, False),
        }
        names = ("injuries_total", "injuries_fatal", "injuries_incapacitating")
        gold = expected(
            {
                "crashes": [
                    {"crash_record_id": str(i)} | dict(zip(names, case, strict=True)) for i, case in enumerate(cases)
                ]
            }
        )
        found = select(gold, "SELECT injury, injury_severe FROM crashes ORDER BY crash_record_id")
        assert found == list(cases.values())


class TestShape:
    def test_columns_and_types_are_those_of_the_contract_however_sparse_the_rows(self) -> None:
        gold = expected({"crashes": [{"crash_record_id": "a", ":id": "row-1", "new_column": "x"}]})
        engineered = {
            "year": "INTEGER", "month": "INTEGER", "day": "INTEGER", "hour": "INTEGER",
            "day_of_week": "INTEGER", "is_weekend": "BOOLEAN", "hour_bin": "VARCHAR", "lat_bin": "DOUBLE",
            "lng_bin": "DOUBLE", "grid_id": "VARCHAR", "veh_count": "INTEGER", "ppl_count": "INTEGER",
            "veh_truck_i": "BOOLEAN", "veh_mc_i": "BOOLEAN", "ppl_age_mean": "DOUBLE",
            "ppl_age_min": "INTEGER", "ppl_age_max": "INTEGER", "injury": "BOOLEAN",
            "injury_severe": "BOOLEAN",
        }  # fmt: skip
        for name, table in TABLES.items():
            types = {column.name: column.kind.value for column in table.columns}
            types |= engineered if name == "crashes" else {}
            types |= {"quality_flags": "VARCHAR[]"}
            assert list(types.items()) == [row[:2] for row in select(gold, f"DESCRIBE {name}")]
        assert select(gold, "SELECT count(*) FROM vehicles") == [0]

    @pytest.mark.parametrize(
        ("dataset", "keys"),
        [("crashes", ["a", " a"]), ("vehicles", ["1", "1.0"]), ("people", ["P1", None]), ("vehicles", ["x"])],
    )
    def test_a_key_that_is_null_or_stands_twice_is_refused(self, dataset: Dataset, keys: list[str | None]) -> None:
        key = TABLES[dataset].key
        with pytest.raises(ValueError, match=rf"{dataset}\.{key}: each key must stand in one row"):
            expected({dataset: [{key: value} for value in keys]})

    def test_a_value_that_is_no_text_is_refused(self) -> None:
        with pytest.raises(pa.ArrowTypeError):
            expected({"people": [{"person_id": "P1", "age": 30}]})

    def test_a_folder_is_read_like_its_rows(self, tmp_path: Path) -> None:
        rows: dict[str, list[Row]] = {
            "crashes": [{"crash_record_id": "a", "street_name": "Łódź \\ \"'", "location": point(1, 2)}],
            "vehicles": [],
            "people": [{"person_id": "P1", "age": "3"}],
        }
        for name, table in rows.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(table), "utf-8")
        assert differences(expected(rows), expected(tmp_path)) == []
