"""Rows of `runs`: what events add up to, whatever their order and however often they come."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.records import (
    Audited,
    DeadLetter,
    Drifted,
    Failed,
    Fetched,
    Merged,
    Planned,
    Polled,
    RunEvent,
    Stage,
)
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
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


def later(gold: Gold, *events: Any, second: int = 10) -> dict[str, Any]:
    for what in events:
        gold.note([event(what, second)])
    return run(gold)


@pytest.mark.parametrize(
    ("failure", "success"),
    [
        (failed("plan"), [planned(), fetched(), merged()]),
        (failed("fetch", 0), [fetched(), merged()]),
        (failed("merge", 0, "2024-01"), [merged()]),
        (failed("merge", 0), [merged()]),
    ],
    ids=["plan", "fetch", "merge of a month", "merge"],
)
def test_a_failure_that_succeeds_later_counts_no_more(gold: Gold, failure: Failed, success: list[Any]) -> None:
    load(gold, "2024-01", 1)
    gold.note([event(what) for what in (planned(), fetched(), merged()) if what not in success])
    gold.note([event(failure, 5)])
    assert (run(gold)["status"], run(gold)["failures"]) == ("failed", 1)
    healed = later(gold, *success)
    assert (healed["status"], healed["failures"], healed["error"]) == ("complete", 0, None)
    assert healed["finished_at"] == (NOON + timedelta(minutes=1)).replace(tzinfo=None)  # the load's


def test_a_success_before_the_failure_heals_nothing(gold: Gold) -> None:
    load(gold, "2024-01", 1)
    gold.note([event(planned()), event(fetched()), event(merged())])
    assert later(gold, failed("fetch", 0))["status"] == "failed"
    assert later(gold, fetched(), second=5)["status"] == "failed"
    assert later(gold, fetched(), second=11)["status"] == "complete"
    assert later(gold, failed("fetch", 0), second=12)["status"] == "failed"
    assert later(gold, failed("fetch", 0), second=1)["status"] == "failed"  # heard late: the last one counts


def test_a_load_that_failed_is_healed_by_the_month_that_is_loaded(gold: Gold) -> None:
    load(gold, "2024-01", 1)
    gold.note([event(planned()), event(fetched()), event(merged(version=7)), event(failed("load", 0, "2024-01"), 1)])
    load(gold, "2024-01", 6)
    assert run(gold)["status"] == "failed"
    load(gold, "2024-01", 8)
    assert (run(gold)["status"], run(gold)["merges_loaded"]) == ("complete", 1)


def test_of_several_failures_those_that_stand_are_counted(gold: Gold) -> None:
    gold.note([event(planned(windows=1))])
    gold.note([event(fetched(0, last=False), 1), event(failed("merge", 0, "2024-01"), 2), event(failed("fetch", 1), 3)])
    assert (run(gold)["status"], run(gold)["failures"], run(gold)["error"]) == ("failed", 2, "merge: no")
    assert later(gold, merged(0))["error"] == "fetch: no"
    assert (run(gold)["status"], run(gold)["failures"]) == ("running", 1)
    assert later(gold, fetched(1), merged(1))["failures"] == 0
    load(gold, "2024-01", 1)
    assert run(gold)["status"] == "complete"


def test_a_month_told_what_it_lost_heals_though_no_page_brought_it(gold: Gold) -> None:
    """A departure is merged under a run without a page of that name."""
    load(gold, "2024-01", 1)
    gold.note([event(planned()), event(fetched()), event(merged())])
    lost = merged().model_copy(update={"page_id": "moved/crashes/2024-01"})
    failure = Failed(stage="merge", page_id=lost.page_id, month=lost.month, error="no")
    assert later(gold, failure, second=5)["status"] == "failed"
    assert later(gold, lost)["status"] == "complete"


def polled(*, out_of_date: bool = False) -> Polled:
    return Polled(dataset="crashes", watermark="2024-03-01T00:00:00.000Z", rows=0, out_of_date=out_of_date)


def stream_page(number: int, *, last: bool) -> Fetched:
    return fetched(number, last=last).model_copy(update={"page_id": f"crashes/stream/{number:05d}"})


def test_a_stream_run_is_complete_when_its_poll_is_in_gold(gold: Gold) -> None:
    plan = planned().model_copy(update={"kind": "stream"})
    gold.note([event(plan), event(stream_page(0, last=False), 1), event(stream_page(1, last=True), 2)])
    merges = [merged(n).model_copy(update={"page_id": f"crashes/stream/{n:05d}"}) for n in (0, 1)]
    gold.note([*(event(done, 3) for done in merges), event(polled(), 3)])
    assert (run(gold)["status"], run(gold)["windows_done"]) == ("running", 1)
    load(gold, "2024-01", 1)
    assert (run(gold)["status"], run(gold)["kind"]) == ("complete", "stream")


def test_a_poll_that_failed_is_healed_by_one_that_finds_nothing(gold: Gold) -> None:
    failure = Failed(stage="poll", page_id="crashes/stream/00000", error="PortalDenied: wrong token")
    gold.note([event(failure)])
    assert (run(gold)["status"], run(gold)["error"]) == ("failed", failure.error)
    assert later(gold, polled(out_of_date=True))["status"] == "failed"
    assert later(gold, polled())["status"] == "complete"
    assert later(gold, failure, second=20)["status"] == "failed"


def test_an_audit_is_complete_when_the_pages_that_it_asked_for_are_in_gold(gold: Gold) -> None:
    def audit(windows: int) -> Planned:
        return planned(windows=windows, rows=0).model_copy(update={"kind": "audit"})

    assert later(gold, audit(0), second=0)["status"] == "complete"
    gold.note([event(Audited(dataset="crashes", month="2024-01", portal=3, ours=2, missing=1), 1)])
    assert later(gold, audit(1), second=2)["status"] == "running"
    assert run(gold)["finished_at"] is None
    later(gold, fetched(), merged(), second=3)
    load(gold, "2024-01", 1)
    assert run(gold)["status"] == "complete"


def test_an_audit_waits_for_its_tombstones(gold: Gold) -> None:
    plan = planned(windows=0).model_copy(update={"kind": "audit"})
    gold.note([event(plan), event(Audited(dataset="people", month="2024-01", portal=1, ours=3, gone=1, moved=1))])
    assert run(gold)["status"] == "running"
    gold.note([event(merged(version=2).model_copy(update={"page_id": "audits/people/2024-01"}))])
    load(gold, "2024-01", 1)
    assert run(gold)["status"] == "running"
    load(gold, "2024-01", 2)
    assert run(gold)["status"] == "complete"


def test_a_batch_adds_up_to_what_its_events_one_by_one_add_up_to(tmp_path: Path) -> None:
    events = [
        *(event(planned(windows=windows), windows) for windows in (2, 1)),
        *(event(fetched(n, last=last), n) for n, last in ((0, False), (1, True), (0, False))),
        *(event(merged(0, version=version), 9 - version) for version in (1, 3, 2)),
        *(event(failed("fetch", 1), second) for second in (8, 7)),
        *(event(polled(), second) for second in (3, 2)),
        *(event(Audited(dataset="crashes", month="2024-01", portal=n, ours=n), n) for n in (2, 1)),
        *(event(Drifted(dataset="crashes", column="c", drift="new", detail=f"{n}"), n) for n in (3, 1)),
    ]
    tables = ("runs", "run_plans", "run_pages", "run_merges", "run_failures", "watermarks", "audits", "drifts")
    found = []
    for place, batches in enumerate(([events], [[one] for one in events], [[one] for one in reversed(events)])):
        gold = Gold.open(tmp_path / f"{place}.duckdb", memory="200MB")
        for batch in batches:
            gold.note(batch)
        found.append([gold.query(f"from {name} order by all").table.to_pylist() for name in tables])
        gold.close()
    assert all(found[0])
    assert found[1] == found[0]
    # The end of a run is that of its first end; which one is first depends on the order.
    for row in (found[0][0][0], found[2][0][0]):
        del row["finished_at"]
    assert found[2] == found[0]


def test_a_letter_that_was_replayed_says_when(gold: Gold) -> None:
    letter = DeadLetter(topic="crash-pages", partition=1, offset=5, stage="fetch", error="E", message="m", at=NOON)
    replayed = letter.model_copy(update={"replayed_at": NOON + timedelta(seconds=9)})
    for batch in ([letter, replayed], [replayed, letter]):
        gold.bury(batch)
        (row,) = gold.query("from dead_letters").table.to_pylist()
        assert row["replayed_at"] == (NOON + timedelta(seconds=9)).replace(tzinfo=None)
