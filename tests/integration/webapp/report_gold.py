"""A Gold of which every figure of a report can be counted in Python: two years of crashes, made without chance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from streams.records import Audited, Drifted, Failed, Fetched, Merged, Planned, RunEvent
from streams.storage.gold.gold import Gold

NEWEST = datetime(2025, 11, 22, 23, 40)
NOW = datetime(2025, 11, 23, 5, 55, tzinfo=UTC)
TYPES = ("REAR END", "PARKED MOTOR VEHICLE", "PEDESTRIAN", "TURNING", "PEDALCYCLIST")
AUDIT, OLD_AUDIT = "audit-newer", "audit-older"
# Newest first. The poll changed nothing, and is left out where that is asked for.
RUNS = ("backfill-nine", "backfill-failed", AUDIT, "stream-crashes-1", "backfill-two", OLD_AUDIT)


def crashes() -> list[dict[str, Any]]:
    """1,600 crashes, some 2 a day, the older ones somewhat rarer."""
    made = []
    for number in range(1600):
        back = timedelta(hours=9 * number + (number // 700) * 100)
        when = NEWEST - back
        known = number % 40 != 0
        injured = (0, 0, 0, 1, 0, 2)[number % 6]
        killed = int(number % 60 == 3)
        flags = ["posted_speed_limit:impossible"] if number % 25 == 0 else []
        flags += ["street_no:unparsable"] if number % 50 == 0 else []
        made.append(
            {
                "crash_record_id": f"{number:0128x}",
                "crash_date": when,
                "date_police_notified": when + timedelta(minutes=30 + number % 3),
                "first_crash_type": TYPES[number % 7 % 5],
                "posted_speed_limit": None if number % 25 == 0 else 30,
                "street_name": ("STATE ST", "87TH ST")[number % 2],
                "hit_and_run_i": True if number % 3 == 0 else None,
                "crash_date_est_i": True if number % 14 == 0 else None,
                "injuries_total": injured if known else None,
                "injuries_fatal": killed if known else None,
                "injury": injured >= 1 if known else None,
                "injury_severe": killed >= 1 if known else None,
                "latitude": 41.88,
                "longitude": -87.63,
                "lat_bin": 41.88,
                "lng_bin": -87.63 - number % 4 / 100,
                "grid_id": f"41.88_{-87.63 - number % 4 / 100:.2f}",
                "ppl_count": 2 if known else 0,
                "day_of_week": when.isoweekday(),
                "hour": when.hour,
                "quality_flags": flags,
            }
        )
    return made


def write_reported(path: Path) -> None:
    """Write it to a new Gold at `path`."""
    Gold.open(path).close()
    with duckdb.connect(path) as connection:
        connection.register("frame", pl.DataFrame(crashes(), infer_schema_length=None))
        connection.execute("insert into crashes by name select * from frame")
        connection.execute("insert into applied values ('2025-11', 3, timestamp '2025-11-23 05:50:00')")
    gold = Gold.open(path)
    gold.note(
        [
            *_run("backfill-nine", "backfill", minutes=5, changed=9),
            *_run("backfill-two", "backfill", minutes=3000, changed=2),
            *_run("stream-crashes-1", "stream", minutes=40, changed=0),
            *_planned("backfill-failed", "backfill", minutes=10),
            _at(9, "backfill-failed", Failed(stage="fetch", error="PortalRejected: no such column")),
            *_audit(OLD_AUDIT, minutes=5000, ours=800),
            *_audit(AUDIT, minutes=20, ours=797, missing=3),
            _at(
                30,
                "stream-crashes-1",
                Drifted(dataset="crashes", column="lane_cnt", drift="vanished", detail="the portal has it no more"),
            ),
        ]
    )
    gold.close()


def _run(run_id: str, kind: str, *, minutes: float, changed: int) -> list[RunEvent]:
    page = "crashes/2025-11-01_2025-12-01/00000"
    fetched = Fetched(
        page_id=page,
        dataset="crashes",
        start=NEWEST.date(),
        end=NEWEST.date() + timedelta(days=1),
        number=0,
        last=True,
        bronze_key=f"crashes/{run_id}.json.gz",
        request="/resource/crashes.json",
        rows=1200,
        size=340_000,
        months=("2025-11",),
    )
    merged = Merged(page_id=page, month="2025-11", version=3, rows=1200, crashes_changed=changed)
    return [
        *_planned(run_id, kind, minutes=minutes),
        _at(minutes - 1, run_id, fetched),
        _at(minutes - 2, run_id, merged),
    ]


def _planned(run_id: str, kind: str, *, minutes: float, windows: int = 1) -> list[RunEvent]:
    end = NEWEST.date() + timedelta(days=1)
    plan = Planned(kind=kind, start=NEWEST.date(), end=end, datasets=("crashes",), windows=windows, rows=1200 * windows)
    return [_at(minutes, run_id, plan)]


def _audit(run_id: str, *, minutes: float, ours: int, missing: int = 0) -> list[RunEvent]:
    months = (
        Audited(dataset="crashes", month="2025-11", portal=800, ours=ours, missing=missing),
        Audited(dataset="vehicles", month="2025-11", portal=50, ours=50),
    )
    return [
        *_planned(run_id, "audit", minutes=minutes, windows=0),
        *(_at(minutes - 1, run_id, month) for month in months),
    ]


def _at(minutes_ago: float, run_id: str, event: Any) -> RunEvent:
    return RunEvent(run_id=run_id, at=NOW - timedelta(minutes=minutes_ago), event=event)
