"""Reading given rows: what is wrong with a file is said in one line that names it."""

import json
from pathlib import Path
from typing import Any

import pytest

from streams.errors import RequestError
from streams.local.portal.datasets import CRASHES
from streams.local.portal.rows import given_rows

POINT = {"type": "Point", "coordinates": [-87.644936965464, 41.940142964874]}


def written(folder: Path, content: Any) -> Path:
    (folder / "crashes.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_rows_keep_their_text_and_their_points(tmp_path: Path) -> None:
    rows = [{"crash_record_id": "a", "latitude": "41.9401429649", "location": POINT}, {"crash_record_id": "b"}]
    frame = given_rows(written(tmp_path, rows), CRASHES)
    first, second = frame.to_dicts()
    assert first["latitude"] == "41.9401429649"
    assert json.loads(first["location"]) == POINT
    assert second == {"crash_record_id": "b", "latitude": None, "location": None}


def test_no_rows_are_rows_too(tmp_path: Path) -> None:
    assert given_rows(written(tmp_path, []), CRASHES).is_empty()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        ("", "no JSON"),
        ('[{"crash_record_id": "a"', "no JSON"),
        ({"crash_record_id": "a"}, "not an array"),
        ([["a"]], "row 1 is no object"),
        ([{"crash_record_id": "a"}, {"crash_date": "2024-01-01T00:00:00.000"}], "row 2 has no crash_record_id"),
        ([{"crash_record_id": "a", "num_units": 2}], "num_units is 2"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, content: Any, problem: str) -> None:
    if content is not None:
        written(tmp_path, content)
    with pytest.raises(RequestError) as refusal:
        given_rows(tmp_path, CRASHES)
    assert str(tmp_path / "crashes.json") in str(refusal.value)
    assert problem in str(refusal.value)
    assert "\n" not in str(refusal.value)
