"""Schedules as rows: what their changes add up to, here as in the table of the workers."""

# ruff: noqa: S608 -- the names put into SQL here are those of our own columns

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

import duckdb

from streams.domain.schedules import ScheduleState, apply
from streams.records import ScheduleChange
from streams.storage.gold.client import GoldClient
from streams.storage.gold.lineage import utc

_COLUMNS: Final = tuple(ScheduleState.model_fields)
_TIMES: Final = tuple(name for name in _COLUMNS if name.endswith("_at"))
_ROWS: Final = f"select {', '.join(_COLUMNS)} from schedules"
_KEEP: Final = f"insert or replace into schedules ({', '.join(_COLUMNS)}) values (${', $'.join(_COLUMNS)})"


def write_changes(cursor: duckdb.DuckDBPyConnection, changes: Sequence[ScheduleChange]) -> None:
    """Apply `changes`, which are in the order of their topic."""
    for change in changes:
        row = cursor.execute(f"{_ROWS} where schedule_id = $1", [change.schedule_id]).fetchone()
        after = apply(_state(dict(zip(_COLUMNS, row, strict=True))) if row else None, change)
        if after:
            values = after.model_dump()
            cursor.execute(_KEEP, values | {name: utc(values[name]) for name in _TIMES if values[name]})
        else:
            cursor.execute("delete from schedules where schedule_id = $1", [change.schedule_id])


async def read_schedules(gold: GoldClient) -> list[ScheduleState]:
    """All schedules, by id. Raises `GoldError`."""
    answer = await gold.query(f"{_ROWS} order by schedule_id")
    return [_state(row) for row in answer.table.to_pylist()]


def _state(row: Mapping[str, Any]) -> ScheduleState:
    times = {name: row[name].replace(tzinfo=UTC) for name in _TIMES if row[name]}
    return ScheduleState.model_validate({**row, **times})
