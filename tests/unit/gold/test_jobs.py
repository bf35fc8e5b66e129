"""How a training stands is what its newest event says, in whatever order they come."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from streams.records import TrainEvent, TrainRequest
from streams.storage.gold.gold import Gold

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
REQUEST = TrainRequest(request_id="mine", algorithm="forest", at=NOON)


@pytest.fixture
def gold(tmp_path: Path) -> Iterator[Gold]:
    gold = Gold.open(tmp_path / "gold.duckdb")
    yield gold
    gold.close()


def event(seconds: int, **fields: Any) -> TrainEvent:
    told = {"state": "running", "stage": "fit", "share": 0.5, "started_at": NOON} | fields
    return TrainEvent(request=REQUEST, at=NOON + timedelta(seconds=seconds), **told)


def test_events_end_in_one_row_in_any_order_and_however_often(gold: Gold) -> None:
    events = [
        event(1, share=0.1),
        event(2, score=0.8, seconds_left=9.0),
        event(3, state="finished", share=1.0, model_version="v", promoted=True, metrics={"roc_auc": {"value": 0.9}}),
        event(9, share=0.9),  # of a trainer that had lost the job, and did not know yet
    ]
    for order in list(permutations([REQUEST, *events]))[::19]:
        for one in [*order, order[0]]:
            gold.note_training([one]) if isinstance(one, TrainEvent) else gold.ask_training([one])
        (row,) = gold.query("select * from training_jobs").table.to_pylist()
        assert (row["state"], row["share"], row["model_version"], row["promoted"]) == ("finished", 1.0, "v", True)
        assert row["ended_at"] == datetime(2026, 5, 1, 12, 0, 3)
        assert (row["requested_at"], row["algorithm"]) == (datetime(2026, 5, 1, 12), "forest")
        assert row["metrics"] == '{"roc_auc": {"value": 0.9}}'
        gold._write(lambda cursor: cursor.execute("delete from training_jobs"))


def test_what_is_asked_for_is_listed_before_anybody_begins_and_a_cancellation_is_no_job(gold: Gold) -> None:
    gold.ask_training([REQUEST, REQUEST, TrainRequest(request_id="other", cancel=True)])
    assert gold.query("select request_id, state from training_jobs").table.to_pylist() == [
        {"request_id": "mine", "state": "requested"}
    ]
