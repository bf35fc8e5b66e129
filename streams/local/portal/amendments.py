"""How a published crash is amended: the columns that change, in each of the three tables."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from streams.local.portal.rows import Row


class Report(NamedTuple):
    """What is published of a crash: its one row, and those of its vehicles and people."""

    crashes: list[Row]
    vehicles: list[Row]
    people: list[Row]

    @property
    def crash(self) -> Row:
        """The crash itself."""
        return self.crashes[0]


Changes = dict[str, list[Row]]
"""Rows of changed columns and their key, by dataset, as ``Tables.upsert`` takes them."""


def amend(report: Report, chance: random.Random) -> Changes:
    """One amendment of the report. All three tables keep telling the same story."""
    kind = chance.choices(list(_KINDS), weights=list(_KINDS.values()))[0]
    return kind(report, chance)


def _type_amended(report: Report, _: random.Random) -> Changes:
    return _crash(report, report_type="AMENDED")


def _notified_later(report: Report, chance: random.Random) -> Changes:
    notified = report.crash["date_police_notified"] or report.crash["crash_date"]
    return _crash(report, date_police_notified=_moved(notified, timedelta(minutes=chance.randint(1, 240))))


def _injury_found(report: Report, chance: random.Random) -> Changes:
    """Somebody thought unhurt was hurt after all."""
    unhurt = [row for row in report.people if row["injury_classification"] == "NO INDICATION OF INJURY"]
    if not unhurt or report.crash["injuries_total"] is None:
        return _type_amended(report, chance)
    hurt = {"person_id": chance.choice(unhurt)["person_id"]}
    found = "REPORTED, NOT EVIDENT"
    most_severe = report.crash["most_severe_injury"]
    crash = _crash(
        report,
        injuries_total=_plus(report.crash["injuries_total"], 1),
        injuries_reported_not_evident=_plus(report.crash["injuries_reported_not_evident"], 1),
        injuries_no_indication=_plus(report.crash["injuries_no_indication"], -1),
        most_severe_injury=found if most_severe in (None, "NO INDICATION OF INJURY") else most_severe,
    )
    return crash | {"people": [hurt | {"injury_classification": found}]}


def _crash_moved(report: Report, chance: random.Random) -> Changes:
    """It happened earlier than first written; now and then in the month before."""
    moved = _moved(report.crash["crash_date"], timedelta(minutes=-5 * chance.randint(1, 12 * 36)))
    when = datetime.fromisoformat(moved)
    crash = _crash(
        report,
        crash_date=moved,
        crash_hour=str(when.hour),
        # The portal's week begins on Sunday, with 1.
        crash_day_of_week=str(when.isoweekday() % 7 + 1),
        crash_month=str(when.month),
    )
    return crash | {
        "vehicles": [{"crash_unit_id": row["crash_unit_id"], "crash_date": moved} for row in report.vehicles],
        "people": [{"person_id": row["person_id"], "crash_date": moved} for row in report.people],
    }


_KINDS: dict[Callable[[Report, random.Random], Changes], float] = {
    _injury_found: 0.4,
    _type_amended: 0.25,
    _notified_later: 0.2,
    _crash_moved: 0.15,
}


def _crash(report: Report, **changes: str) -> Changes:
    return {"crashes": [{"crash_record_id": report.crash["crash_record_id"]} | changes]}


def _moved(published: str, by: timedelta) -> str:
    return (datetime.fromisoformat(published) + by).isoformat(timespec="milliseconds")


def _plus(number: str | None, change: int) -> str:
    return str(max(0, int(number or "0") + change))
