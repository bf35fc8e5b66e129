"""What a click, a chip, a field and an address make of the filters of Explore."""

import json

import pytest

from webapp.explore.choice import Choice, understood
from webapp.pages.explore.controls import changed, in_fields, told, without
from webapp.pages.explore.marks import filters, lit, toggled


def test_of_an_address_only_what_makes_sense_is_kept() -> None:
    query = {"from": "2025-02-30", "to": "2025-03-01", "severity": ["bad"], "hour_from": "7", "what": "ever"}
    assert understood(query).query() == {"to": "2025-03-01", "hour_from": 7}


@pytest.mark.parametrize("half", [{"compare_from": "2025-01-01"}, {"compare_to": "2025-01-01"}])
def test_half_a_second_period_is_none(half: dict[str, str]) -> None:
    assert not understood({**half, "day_of_week": ["5"]}).compared
    assert understood({**half, "day_of_week": ["5"]}).query() == {"day_of_week": [5]}


def test_a_mark_clicked_twice_leaves_everything_as_it_was() -> None:
    before = understood({"weather_condition": ["RAIN"], "speed_from": 30})
    for key, value in {"hour": 17, "weather_condition": "SNOW", "outcome": "severe", "hour_bin": "night"}.items():
        mark = json.dumps(filters(key, value))
        assert toggled(before, mark) != before
        assert toggled(toggled(before, mark), mark) == before


def test_marks_of_one_filter_add_up_and_a_cell_stands_alone() -> None:
    both = toggled(toggled(Choice(), '{"weather_condition": ["RAIN"]}'), '{"weather_condition": ["SNOW"]}')
    assert both.weather_condition == ("RAIN", "SNOW")
    friday, monday = ({"day_of_week": [day], "hour_from": 17, "hour_to": 17} for day in (5, 1))
    moved = toggled(toggled(Choice(), json.dumps(friday)), json.dumps(monday))
    assert moved.query() == monday
    assert toggled(moved, json.dumps(monday)) == Choice()


@pytest.mark.parametrize("mark", ["", "no json", "[1]", '{"sql": "drop"}', '{"hour_from": "late"}', "5"])
def test_what_is_no_mark_changes_nothing(mark: str) -> None:
    assert toggled(Choice(hour_to=3), mark) == Choice(hour_to=3)


def test_marks_within_a_span_are_lit_across_midnight_too() -> None:
    night = Choice(hour_from=22, hour_to=3)
    assert [hour for hour in range(24) if lit(night.query(), filters("hour", hour))] == [0, 1, 2, 3, 22, 23]
    assert not lit(Choice().query(), filters("hour", 5))


def test_each_chip_takes_away_just_its_own_filter() -> None:
    choice = understood(
        {
            **{"from": "2025-01-01", "to": "2025-01-31", "compare_from": "2024-01-01", "compare_to": "2024-01-31"},
            **{
                "hour_from": 6,
                "hour_to": 9,
                "weather_condition": ["RAIN", "SNOW"],
                "veh_count": [2],
                "hit": ["cyclist"],
            },
        }
    )
    chips = list(told(choice))
    assert len(chips) == 7
    for _, names, value in chips:
        left = list(told(without(choice, names, value)))
        assert left == [chip for chip in chips if chip[1:] != (names, value)]


def test_fields_show_the_choice_and_change_only_their_own_part_of_it() -> None:
    choice = changed(Choice(grid_id=("41.88_-87.63",)), "explore-hours", [6, 9])
    choice = changed(choice, "explore-weekdays", ["5", "6"])
    assert choice.query() == {"grid_id": ["41.88_-87.63"], "hour_from": 6, "hour_to": 9, "day_of_week": [5, 6]}
    assert changed(choice, "explore-days", ["2025-01-01", None]) == choice  # the last day is still to be picked
    assert in_fields(choice)[7:9] == [["5", "6"], [6, 9]]
    cleared = changed(changed(choice, "explore-hours", [0, 23]), "explore-weekdays", [])
    assert cleared.query() == {"grid_id": ["41.88_-87.63"]}
