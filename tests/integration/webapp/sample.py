"""A small Gold to look at: 60 days of made-up crashes, and runs in every state."""

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl

from streams.records import DeadLetter, Failed, Fetched, Merged, Planned, RunEvent
from streams.storage.gold import facets
from streams.storage.gold.gold import Gold

NEWEST = datetime(2025, 11, 22, 23, 40)
NOW = datetime(2025, 11, 23, 5, 55, tzinfo=UTC)  # a quarter of an hour after the newest crash
DAYS = 60
RUNNING = "backfill-20251123-a1"
COMPLETE = "first-start-20251122"
FAILED = "backfill-20251121-c3"


def write_sample(path: Path, *, seed: int = 7) -> None:
    """Write the sample to a new Gold at `path`, which nobody may have open."""
    Gold.open(path).close()  # creates the tables
    crashes, vehicles, people = _city(random.Random(seed))
    with duckdb.connect(path) as connection:
        for name, frame in (("crashes", crashes), ("vehicles", vehicles), ("people", people)):
            connection.register("frame", frame)
            connection.execute(f"insert into {name} by name select * from frame")
        applied = [["2025-09", 7, _at(0.5)], ["2025-10", 7, _at(2898)]]
        connection.executemany("insert into applied values ($1, $2, $3::timestamptz at time zone 'UTC')", applied)
        facets.build(connection)
    gold = Gold.open(path)
    gold.note(_runs())
    gold.bury([_letter()])
    gold.close()


def _city(chance: random.Random) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    crashes, vehicles, people = [], [], []
    for back in range(DAYS):
        day = NEWEST - timedelta(days=back)
        weekend = day.weekday() >= 5
        for _ in range(round(chance.gauss(255 if weekend else 310, 28))):
            number = len(crashes)
            hour = min(23, max(0, round(chance.gauss(14, 5.5))))
            when = min(NEWEST, day.replace(hour=hour, minute=chance.randrange(60)))
            # The newest crashes have no people yet, and so no known outcome.
            known = chance.random() > (0.35 if back == 0 else 0.1 if back == 1 else 0.003)
            hurt = chance.random() < 0.15
            severe, fatal = hurt and chance.random() < 0.1, hurt and chance.random() < 0.007
            crash = f"{number:0128x}"
            crashes.append(
                {
                    "crash_record_id": crash,
                    "crash_date": when,
                    "injuries_total": (1 + (chance.random() < 0.2) if hurt else 0) if known else None,
                    "injuries_fatal": int(fatal) if known else None,
                    "injury": hurt if known else None,
                    "injury_severe": (severe or fatal) if known else None,
                    "hour": when.hour,
                    "quality_flags": ["latitude"] if chance.random() < 0.01 else [],
                }
            )
            for unit in range(chance.choices((1, 2, 3), (6, 87, 7))[0]):
                vehicles.append({"crash_unit_id": number * 4 + unit, "crash_record_id": crash, "crash_date": when})
                if known:
                    people.append({"person_id": f"O{number * 4 + unit}", "crash_record_id": crash, "crash_date": when})
    return pl.DataFrame(crashes), pl.DataFrame(vehicles), pl.DataFrame(people)


def _runs() -> list[RunEvent]:
    return [
        *_run(COMPLETE, "first-start", date(2025, 10, 23), date(2025, 11, 23), age=1500, pages=3, windows=3),
        *_run(RUNNING, "backfill", date(2025, 9, 1), date(2025, 10, 23), age=1, pages=4, windows=6),
        *_run(FAILED, "backfill", date(2025, 11, 1), date(2025, 11, 2), age=2900, pages=2, windows=3),
        RunEvent(
            run_id=FAILED,
            at=_at(2880),
            event=Failed(
                stage="fetch",
                page_id="people/2025-11-01_2025-11-02/00000",
                error="PortalRejected: query.soql.no-such-column",
            ),
        ),
    ]


def _run(run_id: str, kind: str, start: date, end: date, *, age: float, pages: int, windows: int) -> list[RunEvent]:
    """A run planned `age` minutes ago, of which `pages` of `windows` windows are fetched and merged."""
    datasets = ("crashes", "vehicles", "people")
    planned = Planned(kind=kind, start=start, end=end, datasets=datasets, windows=windows, rows=windows * 14_000)
    events = [RunEvent(run_id=run_id, at=_at(age), event=planned)]
    for number in range(pages):
        dataset = datasets[number % 3]
        page = f"{dataset}/{start}_{end}/{number // 3:05d}"
        month = "2025-10" if run_id != RUNNING or number < 2 else "2025-09"
        fetched = Fetched(
            page_id=page,
            dataset=dataset,
            start=start,
            end=end,
            number=number // 3,
            last=run_id != RUNNING,
            bronze_key=f"{dataset}/{number}.json.gz",
            request=f"/resource/{dataset}.json",
            rows=13_640 + 97 * number,
            size=4_700_000 + 310_000 * number,
            months=(month,),
        )
        merged = Merged(page_id=page, month=month, version=2 + 2 * number, rows=fetched.rows, crashes_changed=900)
        events.append(RunEvent(run_id=run_id, at=_at(age - 0.2), event=fetched))
        events.append(RunEvent(run_id=run_id, at=_at(age - 0.4), event=merged))
    return events


def _letter() -> DeadLetter:
    return DeadLetter(
        topic="backfill-requests",
        partition=0,
        offset=12,
        stage="plan",
        error="MalformedMessage",
        message="start: 'yesterday' is no date; write it as YYYY-MM-DD",
        field="start",
        key=b"bad",
        value=b'{"start": "yesterday"}',
    )


def _at(minutes_ago: float) -> datetime:
    return NOW - timedelta(minutes=minutes_ago)
