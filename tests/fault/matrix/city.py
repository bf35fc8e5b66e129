"""What happens in a scenario's city, more of the rare than in a real one."""

import random
from datetime import date, datetime, time, timedelta

from streams.local.portal import Tables
from streams.local.portal.living import Life
from streams.local.portal.source import GeneratedCity
from streams.records import DATASETS
from tests.fault.matrix.plan import START, Plan

KEYS = {"crashes": "crash_record_id", "vehicles": "crash_unit_id", "people": "person_id"}


class City:
    """The portal's tables, and chances to change them."""

    def __init__(self, plan: Plan) -> None:
        self.tables = Tables()
        source = GeneratedCity(plan.seed, plan.crashes, 0, START, plan.end)
        source.fill(self.tables)
        self._life: Life = source.life(self.tables)
        self._days = (plan.end - START).days
        self._rng = random.Random(f"city {plan.seed}")

    def change(self) -> None:
        """Some time passes, and then something happens."""
        # Mostly more than streaming looks back, sometimes less.
        self._life.step(timedelta(minutes=self._rng.choice((1, 4, 10, 25))))
        happenings = (self._amend, self._move, self._move, self._adopt, self._delete, self._delete, self._republish)
        for happening in self._rng.choices(happenings, k=self._rng.randint(1, 3)):
            happening()

    def _amend(self) -> None:
        for crash in self._crashes(3):
            row = {"crash_record_id": crash, "lane_cnt": self._rng.choice(("2", "4", None))}
            self.tables.upsert("crashes", [row])

    def _move(self) -> None:
        """A crash is dated otherwise: with what belongs to it, or part of that, or back to where it was."""
        (crash,) = self._crashes(1)
        day = START + timedelta(days=self._rng.randrange(self._days))
        for when in (day, START)[: self._rng.choice((1, 1, 2))]:
            for dataset in DATASETS[: self._rng.choice((1, 3, 3))]:
                self._date(dataset, crash, when)

    def _adopt(self) -> None:
        """A vehicle and a person turn out to belong to another crash, of whatever month."""
        old, new = self._crashes(2)
        for dataset in DATASETS[1:]:
            for row in self.tables.rows(dataset, "crash_record_id", [old])[:1]:
                self.tables.upsert(dataset, [{KEYS[dataset]: row[KEYS[dataset]], "crash_record_id": new}])

    def _delete(self) -> None:
        for crash in self._crashes(self._rng.choice((1, 1, 3))):
            for dataset in self._rng.choice((DATASETS, DATASETS, ("people",), ("crashes",))):
                keys = [row[KEYS[dataset]] for row in self.tables.rows(dataset, "crash_record_id", [crash])]
                if keys:
                    self.tables.delete(dataset, keys)

    def _republish(self) -> None:
        self.tables.republish(self._rng.choice(DATASETS))

    def _date(self, dataset: str, crash: str, when: date) -> None:
        text = datetime.combine(when, time(12)).isoformat(timespec="milliseconds")
        rows = [
            {KEYS[dataset]: row[KEYS[dataset]], "crash_date": text}
            for row in self.tables.rows(dataset, "crash_record_id", [crash])
        ]
        if rows:
            self.tables.upsert(dataset, rows)

    def _crashes(self, number: int) -> list[str]:
        found = self.tables.cursor().execute("select crash_record_id from crashes order by 1").fetchall()
        return self._rng.sample([crash for (crash,) in found], number)
