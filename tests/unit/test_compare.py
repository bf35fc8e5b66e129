"""What differs between two Silver frames."""

import polars as pl

from streams.domain.compare import changed_crashes, compare
from streams.domain.merge import empty_month
from tests.gold_rows import crash, person, silver, vehicle


def test_rows_are_added_removed_and_changed() -> None:
    before = silver([crash("a", weather_condition="RAIN"), crash("b")], [vehicle(1, "a")], [person("P1", "a")])
    after = silver(
        [crash("a", weather_condition="SNOW", lane_cnt="2"), crash("c")], [vehicle(1, "a"), vehicle(2, "a")], []
    )
    found = compare(before, after)
    crashes = found["crashes"]
    assert (crashes.added["key"].to_list(), crashes.removed["key"].to_list(), crashes.changed) == (["c"], ["b"], 1)
    assert crashes.cells.rows() == [("a", "lane_cnt", None, "2"), ("a", "weather_condition", "RAIN", "SNOW")]
    assert found["vehicles"].added.rows() == [("2", "a")]
    assert found["people"].removed.rows() == [("P1", "a")]
    assert changed_crashes(before, after)["crash_record_id"].to_list() == ["a", "b", "c"]


def test_columns_are_counted_and_a_sample_holds_whole_rows() -> None:
    before = silver([crash(i, damage="x", street_no="1") for i in "abc"])
    after = silver([crash("a", damage="y", street_no="2"), crash("b", damage="y", street_no="1"), crash("c")])
    crashes = compare(before, after)["crashes"]
    assert crashes.columns == {"damage": 3, "street_no": 2}
    assert set(crashes.sample(1)["key"]) == {"a"}
    assert crashes.sample(1).height == 2


def test_bookkeeping_and_the_page_a_row_came_from_are_no_content() -> None:
    before = silver([crash("a", **{":version": "1", ":source": "one"})])
    after = silver([crash("a", **{":updated_at": "2025-01-01T00:00:00.000Z", ":version": "2", ":source": "two"})])
    assert changed_crashes(before, after).is_empty()


def test_a_tombstone_counts_as_no_row() -> None:
    there, gone = silver([crash("a")], [vehicle(1, "a")]), silver([crash("a", **{":gone": True})], [vehicle(1, "a")])
    assert compare(there, gone)["crashes"].removed["key"].to_list() == ["a"]
    assert compare(gone, there)["crashes"].added["key"].to_list() == ["a"]
    assert changed_crashes(silver([crash("b")]), silver([crash("b")], [vehicle(1, "a", **{":gone": True})])).is_empty()


def test_a_place_is_compared_as_a_whole() -> None:
    def at(longitude: float | None) -> pl.DataFrame:
        point = {"type": "Point", "coordinates": [longitude, 41.8]} if longitude else None
        return silver([crash("a", location=point)])

    assert changed_crashes(at(-87.6), at(-87.6)).is_empty()
    assert compare(at(-87.6), at(-87.5))["crashes"].columns == {"location": 1}
    ((_, _, before, _),) = compare(at(None), at(-87.5))["crashes"].cells.rows()
    assert before is None


def test_a_person_who_moves_changes_both_crashes() -> None:
    before = silver([crash("a")], [], [person("P1", "a"), person("P2", "z")])
    after = silver([crash("a")], [], [person("P1", "b"), person("P2", "a")])
    delta = changed_crashes(before, after)
    assert delta["crash_record_id"].to_list() == ["a", "b", "z"]
    assert delta.row(2) == ("z", None, [], []), "nothing is left of it"


def test_all_of_a_month_differs_from_none() -> None:
    month = silver([crash("a")], [vehicle(1, "a")], [person("P1", "b")])
    assert changed_crashes(empty_month(), month).equals(month)
    assert changed_crashes(month, empty_month())["crash"].to_list() == [None, None]
    assert changed_crashes(month, month).is_empty()
