"""Reading a page loses nothing: sparse columns, unknown columns, odd values, rows without a key."""

import json

import pytest

from streams.domain.pages import MONTH, read_page
from streams.domain.schemas import CRASHES, PEOPLE, VEHICLES
from streams.errors import MalformedPage

SYSTEM = {":id": "row-a", ":updated_at": "2024-01-01T00:00:00.000Z", ":version": "rv-a"}


def body(*rows: dict) -> bytes:
    return json.dumps([SYSTEM | row for row in rows]).encode()


def crash(number: int, **more: object) -> dict:
    return {"crash_record_id": f"c{number}", "crash_date": "2024-01-31T23:59:59.999", **more}


def test_a_column_seen_only_in_the_last_of_many_rows_is_kept() -> None:
    """Defect 7: a schema inferred from 100 rows drops what comes later."""
    page = read_page(body(*[crash(n) for n in range(500)], crash(500, dooring_i="Y")), CRASHES)
    assert page.rows["dooring_i"].drop_nulls().to_list() == ["Y"]
    assert page.size == 501


def test_unknown_columns_are_kept_together() -> None:
    page = read_page(body(crash(1, speed_camera="Y", tags=["a"]), crash(2)), CRASHES)
    assert page.rows["extra"].to_list() == ['{"speed_camera": "Y", "tags": ["a"]}', None]


def test_columns_that_the_portal_computes_are_none() -> None:
    page = read_page(body(crash(1, **{":@computed_region_rpca_8um6": "7"})), CRASHES)
    assert page.rows["extra"].to_list() == [None]


def test_values_are_kept_as_published() -> None:
    page = read_page(
        body(
            crash(
                1,
                street_name="  Ångström Ave ",
                latitude="41.90",
                location={"type": "Point", "coordinates": [-87, 41.9]},
            )
        ),
        CRASHES,
    )
    row = page.rows.to_dicts()[0]
    assert row["street_name"] == "  Ångström Ave "
    assert row["latitude"] == "41.90"
    assert row["location"] == {"type": "Point", "coordinates": [-87.0, 41.9]}


def test_a_retyped_value_becomes_text() -> None:
    page = read_page(body(crash(1, lane_cnt=2), crash(2, damage={"over": 1500})), CRASHES)
    assert page.rows["lane_cnt"].to_list() == ["2", None]
    assert page.rows["damage"].to_list() == [None, '{"over": 1500}']


def test_rows_without_a_key_are_counted_and_the_rest_goes_on() -> None:
    page = read_page(
        body({"person_id": "O1", "crash_record_id": "c1"}, {"person_id": "O2"}, {"crash_record_id": "c1"}), PEOPLE
    )
    assert (page.size, page.keyless, page.rows["person_id"].to_list()) == (3, 2, ["O1"])


def test_months_come_from_crash_dates_and_a_row_without_one_has_its_place() -> None:
    page = read_page(
        body(
            {"crash_unit_id": "1", "crash_record_id": "a", "crash_date": "2024-01-31T23:59:59.999"},
            {"crash_unit_id": "2", "crash_record_id": "a", "crash_date": "2024-02-01T00:00:00.000"},
            {"crash_unit_id": "3", "crash_record_id": "a", "crash_date": "02/01/2024"},
            {"crash_unit_id": "4", "crash_record_id": "a"},
        ),
        VEHICLES,
    )
    assert page.months == ("0000-00", "2024-01", "2024-02")
    assert page.rows[MONTH].to_list() == ["2024-01", "2024-02", "0000-00", "0000-00"]


def test_the_next_page_begins_after_the_last_row() -> None:
    page = read_page(body(crash(1), crash(2, **{":id": "row-z", ":updated_at": "2024-03-01T00:00:00.000Z"})), CRASHES)
    assert page.cursor
    assert (page.cursor.updated_at, page.cursor.row_id) == ("2024-03-01T00:00:00.000Z", "row-z")


@pytest.mark.parametrize(
    "wrong", [b"", b"[", b"<html>", b'{"error": true, "message": "Internal error"}', b"[1, 2]", b"null", b"\xff"]
)
def test_what_is_no_array_of_rows_is_refused(wrong: bytes) -> None:
    with pytest.raises(MalformedPage):
        read_page(wrong, CRASHES)


def test_a_page_without_bookkeeping_cannot_be_followed() -> None:
    with pytest.raises(MalformedPage, match=":updated_at and :id"):
        read_page(json.dumps([crash(1)]).encode(), CRASHES)


def test_an_empty_page_is_a_page() -> None:
    page = read_page(b"[]", CRASHES)
    assert (page.size, page.months, page.cursor) == (0, (), None)
