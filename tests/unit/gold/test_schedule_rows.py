"""Rows of `schedules`: what the changes add up to, also when they come again."""

from datetime import UTC, datetime, timedelta
from typing import Any

from streams.records import Schedule, ScheduleChange
from streams.storage.gold.gold import Gold

NOON = datetime(2026, 6, 1, 17, tzinfo=UTC)
NIGHTLY = Schedule(schedule_id="nightly", cron="0 3 * * *", mode="backfill", days=7, datasets=("crashes",))
CREATED = ScheduleChange(schedule_id="nightly", change="create", schedule=NIGHTLY, at=NOON)
DUE = datetime(2026, 6, 2, 8, tzinfo=UTC)
FIRED = ScheduleChange(schedule_id="nightly", change="fire", due=DUE, at=DUE)
PAUSED = ScheduleChange(schedule_id="nightly", change="pause", at=NOON + timedelta(days=2))
DELETED = ScheduleChange(schedule_id="nightly", change="delete", at=NOON + timedelta(days=3))


def listed(gold: Gold) -> list[dict[str, Any]]:
    return gold.query("from schedules").table.to_pylist()


def test_a_schedule_is_listed_as_its_changes_left_it(gold: Gold) -> None:
    gold.reschedule([CREATED, FIRED])
    gold.reschedule([PAUSED])
    expected = {
        **{"schedule_id": "nightly", "cron": "0 3 * * *", "mode": "backfill", "days": 7, "datasets": ["crashes"]},
        **{"missed": "skip", "paused": True, "created_at": datetime(2026, 6, 1, 17)},
        **{"settled_at": datetime(2026, 6, 2, 8), "last_run_at": datetime(2026, 6, 2, 8)},
    }
    assert listed(gold) == [expected]


def test_changes_that_come_again_leave_it_as_it_is(gold: Gold) -> None:
    gold.reschedule([CREATED, FIRED, PAUSED])
    before = listed(gold)
    gold.reschedule([FIRED, PAUSED])
    gold.reschedule([CREATED, FIRED, PAUSED])
    assert listed(gold) == before


def test_what_is_deleted_is_listed_no_more(gold: Gold) -> None:
    gold.reschedule([CREATED, DELETED])
    gold.reschedule([FIRED])
    assert listed(gold) == []
