"""Schedules: which times come due in Chicago, what is missed, and what a change makes of them."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from streams.domain.cron import checked, time_after
from streams.domain.schedules import LATE, ScheduleState, apply, created, due, next_run
from streams.errors import MalformedMessage
from streams.records import Schedule, ScheduleChange

CHICAGO = ZoneInfo("America/Chicago")
NOON = datetime(2026, 6, 1, 12, tzinfo=CHICAGO)
THREE = datetime(2026, 6, 2, 3, tzinfo=CHICAGO)


def nightly(**more: object) -> ScheduleState:
    given = {"schedule_id": "nightly", "cron": "0 3 * * *", "mode": "audit", **more}
    return created(Schedule.model_validate(given), NOON)


def times(cron: str, start: str, end: str) -> list[str]:
    """The times between two of Chicago's, as its clock shows them."""
    time, last = (datetime.fromisoformat(text).replace(tzinfo=CHICAGO) for text in (start, end))
    shown = []
    while (time := time_after(cron, time)) < last:
        shown.append(f"{time.astimezone(CHICAGO):%d %H:%M %Z}")
    return shown


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 2 * * *", ["07 02:30 CST", "08 03:00 CDT", "09 02:30 CDT"]),
        ("0,20,40 2 8 3 *", ["08 03:00 CDT"]),
        ("0 2,3 * * SUN", ["08 03:00 CDT"]),
        (
            "0 */2 8 3 *",
            [f"08 {at}" for at in ("00:00 CST", "03:00 CDT", *(f"{n:02d}:00 CDT" for n in range(4, 23, 2)))],
        ),
        ("15 * 8 3 *", [f"08 {n:02d}:15 {'CST' if n < 2 else 'CDT'}" for n in range(24) if n != 2]),
    ],
)
def test_a_time_that_spring_skips_comes_once_right_after(cron: str, expected: list[str]) -> None:
    assert times(cron, "2026-03-07T00:00", "2026-03-10T00:00") == expected


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("30 1 * * *", ["31 01:30 CDT", "01 01:30 CDT", "02 01:30 CST"]),
        ("*/30 1 1 11 *", ["01 01:00 CDT", "01 01:30 CDT"]),
        ("0 1-3 1 11 *", ["01 01:00 CDT", "01 02:00 CST", "01 03:00 CST"]),
    ],
)
def test_a_time_that_autumn_repeats_comes_once(cron: str, expected: list[str]) -> None:
    assert times(cron, "2026-10-31T00:00", "2026-11-03T00:00") == expected


def test_what_comes_every_hour_comes_in_both_of_autumns_one_o_clocks() -> None:
    expected = ["01 00:00 CDT", "01 01:00 CDT", "01 01:00 CST", "01 02:00 CST"]
    assert times("0 * * * *", "2026-10-31T23:30", "2026-11-01T02:30") == expected


@pytest.mark.parametrize(
    "cron", ["", "@daily", "* * * *", "0 0 3 * * *", "61 * * * *", "0 0 30 2 *", "0 0 */31 2 1#5", "x"]
)
def test_what_is_no_cron_expression_is_refused_with_the_field_and_a_remedy(cron: str) -> None:
    with pytest.raises(MalformedMessage, match="such as 0 3") as refused:
        Schedule.decode(f'{{"schedule_id": "a", "cron": "{cron}", "mode": "audit"}}'.encode())
    assert refused.value.field == "cron"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ('{"schedule_id": "a", "cron": "0 3 * * *", "mode": "backfill"}', "days"),
        ('{"schedule_id": "a", "cron": "0 3 * * *", "mode": "audit", "days": 0}', "days"),
        ('{"schedule_id": "a/b", "cron": "0 3 * * *", "mode": "audit"}', "schedule_id"),
        ('{"schedule_id": "a", "cron": "0 3 * * *", "mode": "audit", "datasets": []}', "datasets"),
        ('{"schedule_id": "a", "cron": "0 3 * * *", "mode": "audit", "missed": "all"}', "missed"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_field(given: str, field: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        Schedule.decode(given.encode())
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ('{"schedule_id": "a", "change": "create"}', "schedule"),
        (
            '{"schedule_id": "a", "change": "create",'
            ' "schedule": {"schedule_id": "b", "cron": "0 3 * * *", "mode": "audit"}}',
            "schedule",
        ),
        ('{"schedule_id": "a", "change": "fire"}', "due"),
        ('{"change": "create", "schedule": {"schedule_id": "b", "cron": "0 3 * * *", "mode": "audit"}}', "schedule_id"),
    ],
)
def test_a_change_that_lacks_what_it_is_about_is_refused(given: str, field: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        ScheduleChange.decode(given.encode())
    assert refused.value.field == field


def test_blanks_do_not_matter() -> None:
    assert checked("  0  3 * *   MON ") == "0 3 * * MON"


def test_a_schedule_is_due_from_its_time_on_until_it_has_fired() -> None:
    state = nightly()
    assert due(state, THREE - timedelta(seconds=1)) is None
    assert due(state, THREE) == due(state, THREE + timedelta(seconds=30)) == THREE
    fired = apply(state, ScheduleChange(schedule_id="nightly", change="fire", due=THREE))
    assert fired
    assert fired.last_run_at == THREE
    assert due(fired, THREE + timedelta(seconds=30)) is None
    assert next_run(fired, THREE) == THREE + timedelta(days=1)


def test_times_before_a_schedule_was_there_are_none_of_its() -> None:
    assert due(nightly(missed="once"), NOON) is None


def test_what_was_missed_is_skipped_or_made_up_for_once() -> None:
    days_later = THREE + timedelta(days=3, hours=2)
    assert due(nightly(), days_later) is None
    assert due(nightly(), THREE + timedelta(days=3) + LATE) == THREE + timedelta(days=3)
    once = nightly(missed="once")
    assert due(once, days_later) == THREE + timedelta(days=3)
    made_up = apply(once, ScheduleChange(schedule_id="nightly", change="fire", due=THREE + timedelta(days=3)))
    assert made_up
    assert due(made_up, days_later) is None


def test_what_passes_while_a_schedule_is_paused_is_not_missed() -> None:
    paused = apply(nightly(missed="once"), ScheduleChange(schedule_id="nightly", change="pause"))
    assert paused
    assert due(paused, THREE) is None
    assert next_run(paused, THREE) is None
    resumed = apply(
        paused, ScheduleChange(schedule_id="nightly", change="resume", at=THREE + timedelta(days=2, hours=1))
    )
    assert resumed
    assert due(resumed, THREE + timedelta(days=2, hours=2)) is None
    assert due(resumed, THREE + timedelta(days=3)) == THREE + timedelta(days=3)


def test_a_schedule_that_is_not_there_stays_away_whatever_is_asked_of_it() -> None:
    for what in ("pause", "resume", "delete"):
        assert apply(None, ScheduleChange(schedule_id="nightly", change=what)) is None
    assert apply(None, ScheduleChange(schedule_id="nightly", change="fire", due=THREE)) is None
