"""Rows of `runs`: what events add up to, whatever their order and however often they come."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.records import DeadLetter, Failed, Fetched, Merged, Planned, RunEvent, Stage
from streams.storage.gold import Change, Gold
from tests.gold_rows import change, crash, silver

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
START, END = date(2024, 1, 1), date(2024, 2, 1)


def event(what: Any, second: int = 0, run: str = "r") -> RunEvent:
    return RunEvent(run_id=run, at=NOON + timedelta(seconds=second), event=what)


def planned(windows: int = 1, rows: int = 10) -> Planned:
    return Planned(kind="backfill", start=START, end=END, datasets=("crashes",), windows=windows, rows=rows)


def page_id(number: int) -> str:
    return f"crashes/{START}_{END}/{number:05d}"


def fetched(number: int = 0, *, last: bool = True, months: tuple[str, ...] = ("2024-01",)) -> Fetched:
    return Fetched(
        page_id=page_id(number),
        dataset="crashes",
        start=START,
        end=END,
        number=number,
        last=last,
        bronze_key=f"key-{number}",
        request="https://portal/resource",
        rows=10,
        size=1_000,
        months=months,
    )


def merged(number: int = 0, month: str = "2024-01", version: int = 1, changed: int = 4) -> Merged:
    return Merged(page_id=page_id(number), month=month, version=version, rows=10, crashes_changed=changed)


def failed(stage: Stage, number: int | None = None, month: str | None = None) -> Failed:
    return Failed(stage=stage, page_id=None if number is None else page_id(number), month=month, error=f"{stage}: no")


def run(gold: Gold, run_id: str = "r") -> dict[str, Any]:
    (row,) = gold.query("from runs where run_id = $id", parameters={"id": run_id}).table.to_pylist()
    return row


def load(gold: Gold, month: str, version: int) -> None:
    gold.load([Change(month, version, silver())], now=NOON + timedelta(minutes=1))


def test_a_run_from_its_plan_to_its_end(gold: Gold) -> None:
    gold.note([event(planned(rows=20))])
    assert (run(gold)["status"], run(gold)["windows"], run(gold)["rows_planned"]) == ("running", 1, 20)
    gold.note([event(fetched(0, last=False), 1)])
    assert (run(gold)["windows_done"], run(gold)["pages_fetched"], run(gold)["merges_expected"]) == (0, 1, 1)
    gold.note([event(fetched(1, months=("2024-01", "0000-00")), 2)])
    assert (run(gold)["windows_done"], run(gold)["pages_fetched"], run(gold)["merges_expected"]) == (1, 2, 3)
    gold.note([event(merged(0), 3), event(merged(1, version=2), 4), event(merged(1, "0000-00"), 5)])
    assert (run(gold)["merges_done"], run(gold)["merges_loaded"], run(gold)["status"]) == (3, 0, "running")
    load(gold, "2024-01", 1)
    assert (run(gold)["merges_loaded"], run(gold)["status"]) == (1, "running")
    load(gold, "2024-01", 2)
    assert (run(gold)["merges_loaded"], run(gold)["status"]) == (2, "running")
    load(gold, "0000-00", 1)
    assert run(gold) == {
        "run_id": "r",
        "kind": "backfill",
        "status": "complete",
        "start": START,
        "end": END,
        "datasets": ["crashes"],
        "requested_at": NOON.replace(tzinfo=None),
        "finished_at": (NOON + timedelta(minutes=1)).replace(tzinfo=None),
        "windows": 1,
        "windows_done": 1,
        "rows_planned": 20,
        "pages_fetched": 2,
        "rows_fetched": 20,
        "bytes_fetched": 2_000,
        "merges_expected": 3,
        "merges_done": 3,
        "merges_loaded": 3,
        "crashes_changed": 12,
        "failures": 0,
        "error": None,
    }


def test_any_order_of_events_and_loads_ends_the_same(tmp_path: Path) -> None:
    events = [
        event(planned(), 0),
        event(fetched(0, last=False, months=("2024-01", "2024-02")), 1),
        event(fetched(1), 2),
        event(merged(0), 3),
        event(merged(0, "2024-02"), 4),
        event(merged(1, version=2), 5),
    ]
    found = []
    rng = random.Random(4)
    for place in range(5):
        gold = Gold.open(tmp_path / f"{place}.duckdb", memory="200MB")
        steps: list[Any] = [*events, ("2024-01", 2), ("2024-02", 1)]
        rng.shuffle(steps)
        for count, step in enumerate(steps):
            if count:
                assert run_if_any(gold) in (None, "running"), steps[:count]
            if isinstance(step, RunEvent):
                gold.note([step, rng.choice(events[: 1 + events.index(step)]) if count == 7 else step])
            else:
                load(gold, *step)
        found.append(run(gold))
        gold.close()
    assert all(row | {"finished_at": None} == found[0] | {"finished_at": None} for row in found)
    assert found[0]["status"] == "complete"
    assert all(row["finished_at"] for row in found)


def run_if_any(gold: Gold) -> str | None:
    rows = gold.query("select status from runs").table.to_pylist()
    return rows[0]["status"] if rows else None


def test_a_page_in_the_middle_is_awaited(gold: Gold) -> None:
    load(gold, "2024-01", 1)
    gold.note([event(planned()), event(fetched(0, last=False)), event(merged(0))])
    gold.note([event(fetched(2)), event(merged(2))])
    assert (run(gold)["status"], run(gold)["windows_done"]) == ("running", 0)
    gold.note([event(fetched(1, last=False))])
    assert (run(gold)["status"], run(gold)["windows_done"]) == ("running", 1)
    gold.note([event(merged(1), 9)])
    assert run(gold)["status"] == "complete"


def test_all_windows_are_awaited_and_an_empty_one_ends_with_an_empty_page(gold: Gold) -> None:
    gold.note([event(planned(windows=2)), event(fetched(months=()))])
    assert run(gold)["status"] == "running"
    other = fetched(months=()).model_copy(update={"page_id": "people/2024-01-01_2024-02-01/00000"})
    gold.note([event(other)])
    assert run(gold)["status"] == "complete"


def test_a_plan_without_windows_is_complete(gold: Gold) -> None:
    gold.note([event(planned(windows=0, rows=0))])
    assert (run(gold)["status"], run(gold)["finished_at"]) == ("complete", NOON.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("events", "done"),
    [
        ([planned(), failed("fetch", 0)], 0),
        ([planned(), fetched(0, last=False), merged(0), failed("fetch", 1)], 1),
        ([planned(), fetched(0), failed("merge", 0, "2024-01")], 0),
        ([planned(), fetched(0), failed("merge", 0)], 0),
        ([planned(), fetched(0), merged(0, version=7), failed("load", 0, "2024-01")], 1),
    ],
    ids=["first fetch", "later fetch", "merge of a month", "merge", "load"],
)
def test_a_failure_ends_its_part_and_the_run_fails(gold: Gold, events: list[Any], done: int) -> None:
    """Defects 2 and 5: the reference only logs a failure, and calls the run done."""
    load(gold, "2024-01", 1)
    for order in list(itertools.permutations(events))[::-2]:
        for what in order:
            gold.note([event(what, run=str(hash(order)))])
        row = run(gold, str(hash(order)))
        assert (row["status"], row["failures"], row["merges_done"]) == ("failed", 1, done), order
        assert row["error"] == f"{events[-1].stage}: no"
        assert row["finished_at"] is not None


def test_a_failed_page_does_not_end_a_run_whose_other_parts_are_under_way(gold: Gold) -> None:
    gold.note([event(planned(windows=2)), event(failed("fetch", 0))])
    assert (run(gold)["status"], run(gold)["failures"], run(gold)["windows_done"]) == ("running", 1, 1)


def test_a_bad_request_is_a_failed_run(gold: Gold) -> None:
    gold.note([event(Failed(stage="plan", error="end must be after start"), run="bad")] * 2)
    row = run(gold, "bad")
    assert (row["status"], row["error"], row["failures"]) == ("failed", "end must be after start", 1)
    assert row["requested_at"] == row["finished_at"] == NOON.replace(tzinfo=None)
    assert (row["kind"], row["windows"]) == (None, None)


def test_the_same_request_published_again_leaves_a_complete_run_complete(gold: Gold) -> None:
    load(gold, "2024-01", 3)
    gold.note([event(planned()), event(fetched(), 1), event(merged(version=3, changed=4), 2)])
    first = run(gold)
    assert first["status"] == "complete"
    # The portal's rows are the same: nothing changes, and the month's version stays.
    for what in (planned(), fetched(), merged(version=3, changed=0)):
        gold.note([event(what, 100)])
        assert run(gold) == first


def test_a_run_that_merged_into_a_later_version_waits_for_its_load(gold: Gold) -> None:
    gold.load([change("2024-01", 4, [crash("a")])])
    gold.note([event(planned()), event(fetched(), 1), event(merged(version=5), 2)])
    assert run(gold)["status"] == "running"
    load(gold, "2024-01", 6)
    assert run(gold)["status"] == "complete"


def test_a_load_brings_on_all_runs_that_wait_for_its_months(gold: Gold) -> None:
    for name in ("one", "two"):
        gold.note([event(planned(), run=name), event(fetched(), run=name), event(merged(), run=name)])
    load(gold, "2024-01", 1)
    assert {run(gold, name)["status"] for name in ("one", "two")} == {"complete"}


def test_dead_letters_are_kept_once_with_their_bytes(gold: Gold) -> None:
    letter = DeadLetter(
        topic="crash-pages",
        partition=1,
        offset=5,
        stage="fetch",
        error="MalformedMessage",
        message="start: is no date",
        field="start",
        key=b"\xff",
        value=b"\x00not json",
        at=NOON,
    )
    gold.bury([letter, letter])
    gold.bury([letter, letter.model_copy(update={"offset": 6, "key": None, "value": None})])
    rows = gold.query('select * from dead_letters order by "offset"').table.to_pylist()
    assert [row["offset"] for row in rows] == [5, 6]
    assert (rows[0]["key"], rows[0]["value"], rows[0]["field"]) == (b"\xff", b"\x00not json", "start")
    assert (rows[1]["value"], rows[0]["failed_at"]) == (None, NOON.replace(tzinfo=None))
