"""What the forms of the fetcher and the scheduler stand for, and how a run's pace is told."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from webapp.components.progress import ended, pace, pace_words
from webapp.pages.fetch import quick_span
from webapp.pages.schedules import as_asked, expression

BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUN: dict[str, Any] = {
    "run_id": "r",
    "status": "running",
    "requested_at": "2026-03-01T12:00:00",
    "finished_at": None,
    "rows_planned": 1000,
    "rows_fetched": 500,
    "windows": 4,
    "windows_done": 2,
    "merges_expected": 4,
    "merges_loaded": 2,
    "crashes_changed": 1,
    "failures": 0,
}


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("7", date(2026, 2, 22), date(2026, 3, 1)),
        ("month", date(2026, 3, 1), date(2026, 3, 1)),
        ("last-month", date(2026, 2, 1), date(2026, 2, 28)),
        ("year", date(2026, 1, 1), date(2026, 3, 1)),
    ],
)
def test_a_quick_choice_is_a_span_of_days(name: str, first: date, last: date) -> None:
    assert quick_span(name, date(2026, 3, 1)) == (first, last)


@pytest.mark.parametrize(
    ("when", "at", "weekdays", "cron", "expected"),
    [
        ("daily", "03:05", [], None, "5 3 * * *"),
        ("weekly", "23:00:00", ["SUN", "MON"], None, "0 23 * * MON,SUN"),
        ("custom", None, [], "*/5 * * * *", "*/5 * * * *"),
    ],
)
def test_the_form_of_a_schedule_is_a_cron_expression(
    when: str, at: str | None, weekdays: list[str], cron: str | None, expected: str
) -> None:
    assert expression(when, at, weekdays, cron) == expected


@pytest.mark.parametrize(
    ("when", "at", "weekdays", "cron", "words"),
    [
        ("daily", "", [], None, "Choose a time"),
        ("weekly", "03:00", [], None, "at least one day"),
        ("custom", "03:00", ["SUN"], " ", "five fields"),
    ],
)
def test_a_form_that_does_not_say_when_is_told_what_lacks(
    when: str, at: str, weekdays: list[str], cron: str | None, words: str
) -> None:
    with pytest.raises(Exception, match=words):
        expression(when, at, weekdays, cron)


def test_what_was_asked_for_is_shown_until_it_is_too_old() -> None:
    known = [{"schedule_id": "a", "paused": False}, {"schedule_id": "b", "paused": False}]
    paused = {"schedule_id": "b", "paused": True}
    asked = {"a": {"schedule": None, "until": 10.0}, "b": {"schedule": paused, "until": 20.0}}
    assert as_asked(known, asked, 5.0) == [paused]
    assert as_asked(known, asked, 15.0) == [known[0], paused]
    assert as_asked(known, asked, 25.0) == known


def test_the_pace_of_a_run_is_of_all_its_time_and_of_what_is_left() -> None:
    # Half is fetched and a quarter is in Gold: 37.5 % in 30 s.
    assert pace(RUN, BEGUN + timedelta(seconds=30)) == (pytest.approx(500 / 30), pytest.approx(50))
    assert pace_words(RUN, BEGUN + timedelta(seconds=30)) == "17 rows a second · about 50 s left"
    done = RUN | {"status": "complete", "finished_at": "2026-03-01T12:00:10", "rows_fetched": 1000}
    assert pace(done, BEGUN + timedelta(days=1)) == (pytest.approx(100), None)
    assert pace_words(done, BEGUN) == "100 rows a second · 1 crash change"
    assert pace(RUN | {"requested_at": None}, BEGUN) == (None, None)


def test_a_run_is_followed_until_its_last_row_is_scored() -> None:
    complete = {"status": "complete"}
    assert not ended({"status": "running"}, {"scored": {"done": 4, "expected": 4}})
    assert not ended(complete, {"scored": {"done": 3, "expected": 4}})
    assert ended(complete, {"scored": {"done": 4, "expected": 4}})
    assert ended(complete, {"scored": {"done": None, "expected": 4}})  # no model serves
    assert ended({"status": "failed"}, {"scored": {"done": 0, "expected": 4}})
