"""What a start finds in its data directory: the same tables for the same arguments, new ones for others."""

import dataclasses
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from streams.errors import RequestError
from streams.local.portal.datasets import DATASETS
from streams.local.portal.source import GeneratedCity, GivenRows, open_tables

CITY = GeneratedCity(seed=7, crashes=40, days=30, start=date(2024, 1, 30), end=date(2024, 2, 2))


def seen(data_dir: Path, source: GivenRows | GeneratedCity) -> list[tuple[Any, ...]]:
    tables = open_tables(data_dir, source)
    rows = [tables.cursor().execute(f'FROM {name} ORDER BY ":id"').fetchall() for name in DATASETS]
    tables.close()
    return [row for table in rows for row in table]


def record_ids(rows: list[tuple[Any, ...]]) -> set[str]:
    return {value for row in rows for value in row if value is not None and len(value) == 128}


def given(folder: Path, **rows: list[dict[str, str]]) -> GivenRows:
    folder.mkdir(exist_ok=True)
    for name in DATASETS:
        (folder / f"{name}.json").write_text(json.dumps(rows.get(name, [])))
    return GivenRows(folder)


def test_the_city_of_the_same_arguments_continues_and_another_one_is_made_anew(tmp_path: Path) -> None:
    first = seen(tmp_path, CITY)
    assert seen(tmp_path, CITY) == first
    other = seen(tmp_path, dataclasses.replace(CITY, seed=8))
    assert record_ids(other).isdisjoint(record_ids(first))


def test_a_city_is_published_as_text_up_to_its_end(tmp_path: Path) -> None:
    tables = open_tables(tmp_path, CITY)
    count = tables.cursor().execute("SELECT count(*), min(crash_date), max(crash_date) FROM crashes").fetchone()
    assert count is not None
    assert count[0] == 40
    assert "2024-01-29T23:00:00.000" <= count[1] <= count[2] < "2024-02-02T00:00:00.000"
    point, stamp = tables.cursor().execute('SELECT location, max(":updated_at") OVER () FROM crashes').fetchall()[0]
    assert json.loads(point)["type"] == "Point"
    assert stamp <= "2024-02-02T06:00:00.000Z"  # midnight in Chicago
    people = "people ANTI JOIN crashes USING (crash_record_id)"
    assert tables.cursor().execute(f"SELECT count(*) FROM {people}").fetchone() == (0,)
    tables.close()


def test_a_start_that_was_killed_while_filling_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("streams.local.portal.source.set_clock", killed)
        with pytest.raises(KeyboardInterrupt):
            open_tables(tmp_path, CITY)
    assert len(seen(tmp_path, CITY)) == len(seen(tmp_path / "clean", CITY))


def test_given_rows_are_read_anew_when_a_file_changes(tmp_path: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "rows"
    first = seen(data, given(folder, people=[{"person_id": "O1"}]))
    assert len(first) == 1
    assert seen(data, GivenRows(folder)) == first
    source = given(folder, people=[{"person_id": "O1"}, {"person_id": "O2"}])
    os.utime(folder / "people.json", (1, 1))
    assert len(seen(data, source)) == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    source = given(tmp_path / "rows")
    (tmp_path / "rows" / "vehicles.json").unlink()
    with pytest.raises(RequestError, match=r"rows/vehicles\.json: No such file"):
        open_tables(tmp_path / "data", source)
