"""Trainings as rows: what was asked for, and how it stands."""

# ruff: noqa: S608 -- the names put into SQL here are those of our own columns

import json
from collections.abc import Sequence
from typing import Any, Final

import duckdb

from streams.records import TrainEvent, TrainRequest
from streams.storage.gold.lineage import utc

_COLUMNS: Final = (
    *("request_id", "state", "target", "tier", "algorithm", "request", "requested_at", "started_at", "changed_at"),
    *("ended_at", "stage", "share", "score", "seconds_left", "model_version", "promoted", "metrics", "comparison"),
    *("error", "field", "hint"),
)
_ADD: Final = f"insert into training_jobs ({', '.join(_COLUMNS)}) values (${', $'.join(_COLUMNS)})"
# An event may come twice, and one of a trainer that lost its job to another may come late.
_CHANGE: Final = f"""{_ADD} on conflict do update set
    {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])}
    where (excluded.ended_at is not null, excluded.changed_at) >= (ended_at is not null, changed_at)
"""


def write_requests(cursor: duckdb.DuckDBPyConnection, requests: Sequence[TrainRequest]) -> None:
    """List what is asked for; one whose training is known already changes nothing."""
    for request in requests:
        if not request.cancel:
            values = dict.fromkeys(_COLUMNS) | _row(request) | {"state": "requested"}
            cursor.execute(f"{_ADD} on conflict do nothing", values)


def write_events(cursor: duckdb.DuckDBPyConnection, events: Sequence[TrainEvent]) -> None:
    """Bring jobs up to date; events may come twice, and in any order."""
    for event in events:
        row = _row(event.request) | {
            "state": event.state,
            "started_at": utc(event.started_at),
            "changed_at": utc(event.at),
            "ended_at": utc(event.at) if event.ended else None,
            "metrics": _json(event.metrics),
            "comparison": _json(event.comparison),
        }
        plain = event.model_dump(include=set(_COLUMNS) - set(row))
        cursor.execute(_CHANGE, dict.fromkeys(_COLUMNS) | row | plain)


def _row(request: TrainRequest) -> dict[str, Any]:
    at = utc(request.at)
    return {
        "request_id": request.request_id,
        "target": request.target,
        "tier": request.tier,
        "algorithm": request.algorithm,
        "request": request.encode().decode(),
        "requested_at": at,
        "changed_at": at,
    }


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)
