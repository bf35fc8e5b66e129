"""How a published crash is amended: the columns that change, in each of the three tables."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from streams.local.portal.datasets import DATASETS
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


class Change(NamedTuple):
    """Columns that change in a row of ``dataset``, its key and its crash, some time after the amendment.

    A vehicle or a person has the date of its crash as it stands when the change is published, whatever it names.
    """

    dataset: str
    row: Row
    after: timedelta = timedelta()


def amend(report: Report, chance: random.Random) -> list[Change]:
    """One amendment of the report. In the end all three tables tell the same story again."""
    kind = chance.choices(list(_KINDS), weights=list(_KINDS.values()))[0]
    return kind(report, chance)


def _type_amended(report: Report, _: random.Random) -> list[Change]:
    return [_crash(report, report_type="AMENDED")]


def _notified_later(report: Report, chance: random.Random) -> list[Change]:
    notified = datetime.fromisoformat(report.crash["date_police_notified"] or report.crash["crash_date"])
    return [_crash(report, date_police_notified=_text(notified + timedelta(minutes=chance.randint(1, 240))))]


def _injury_found(report: Report, chance: random.Random) -> list[Change]:
    """Somebody thought unhurt was hurt after all."""
    unhurt = [row for row in report.people if row["injury_classification"] == UNHURT]
    if not unhurt or report.crash["injuries_total"] is None:
        return _type_amended(report, chance)
    found = "REPORTED, NOT EVIDENT"
    most_severe = report.crash["most_severe_injury"]
    return [
        _crash(
            report,
            injuries_total=_plus(report.crash["injuries_total"], 1),
            injuries_reported_not_evident=_plus(report.crash["injuries_reported_not_evident"], 1),
            injuries_no_indication=_plus(report.crash["injuries_no_indication"], -1),
            most_severe_injury=found if most_severe in (None, UNHURT) else most_severe,
        ),
        Change("people", _keys("people", chance.choice(unhurt)) | {"injury_classification": found}),
    ]


def _hour_corrected(report: Report, chance: random.Random) -> list[Change]:
    """It happened earlier than first written; now and then in the month before."""
    moved = _date(report) - timedelta(minutes=5 * chance.randint(1, 12 * 36))
    return [_crash_at(report, moved), *_followers(report, timedelta())]


def _month_corrected(report: Report, chance: random.Random) -> list[Change]:
    """It happened in the month before, or in the year before; now and then it did not, and is moved back.

    Its vehicles and people may follow a moment later, so that for a while they are in another month than their crash.
    """
    written = _date(report)
    years, months = divmod(written.year * 12 + written.month - 1 - chance.choice((1, 1, 1, 12)), 12)
    # There is no 31st of each month.
    moved = written.replace(year=years, month=months + 1, day=min(written.day, 28))
    changes = [_crash_at(report, moved), *_followers(report, _moment(chance))]
    if chance.random() < MOVED_BACK:
        back = timedelta(hours=chance.uniform(2, 72))
        changes += [_crash_at(report, written, back), *_followers(report, back + _moment(chance))]
    return changes


MOVED_BACK = 0.3
UNHURT = "NO INDICATION OF INJURY"
_KINDS: dict[Callable[[Report, random.Random], list[Change]], float] = {
    _injury_found: 0.4,
    _type_amended: 0.25,
    _notified_later: 0.2,
    _hour_corrected: 0.1,
    _month_corrected: 0.05,
}


def _crash(report: Report, after: timedelta = timedelta(), **changes: str) -> Change:
    return Change("crashes", _keys("crashes", report.crash) | changes, after)


def _crash_at(report: Report, when: datetime, after: timedelta = timedelta()) -> Change:
    return _crash(
        report,
        after,
        crash_date=_text(when),
        crash_hour=str(when.hour),
        # The portal's week begins on Sunday, with 1.
        crash_day_of_week=str(when.isoweekday() % 7 + 1),
        crash_month=str(when.month),
    )


def _followers(report: Report, after: timedelta) -> list[Change]:
    """The vehicles and people that take over their crash's date."""
    return [
        Change(name, _keys(name, row), after)
        for name, rows in (("vehicles", report.vehicles), ("people", report.people))
        for row in rows
    ]


def _moment(chance: random.Random) -> timedelta:
    """None at all, or up to half an hour."""
    return chance.choice((0, 1)) * timedelta(minutes=chance.uniform(1, 30))


def _keys(dataset: str, row: Row) -> Row:
    return {name: row[name] for name in (DATASETS[dataset].key, "crash_record_id")}


def _date(report: Report) -> datetime:
    return datetime.fromisoformat(report.crash["crash_date"])


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _plus(number: str | None, change: int) -> str:
    return str(max(0, int(number or "0") + change))
