"""How models fare, as rows."""

# ruff: noqa: S608 -- the names put into SQL here are those of our own tables

from collections.abc import Sequence
from typing import Final

import duckdb

from streams.records import ModelMeasured
from streams.storage.gold.lineage import utc

# Tables, and by which of the columns their rows are named; the others are put in the place of those before.
_KEYS: Final = {
    "model_drift": ("model_version", "data_through", "feature"),
    "model_quality": ("model_version", "month"),
}
_COLUMNS: Final = {
    "model_drift": ("target", "psi", "band", "rows", "data_from", "basis", "measured_at"),
    "model_quality": (
        *("target", "rows", "positives", "base_rate", "predicted", "roc_auc", "brier", "ece", "basis", "measured_at"),
    ),
}


def write(cursor: duckdb.DuckDBPyConnection, events: Sequence[ModelMeasured]) -> None:
    """Put what was measured in the place of what was before; events may come twice, and in any order."""
    for event in events:
        model = {"model_version": event.model_version, "target": event.target, "measured_at": utc(event.at)}
        if event.drift:
            window = event.drift.model_dump(exclude={"shifts"})
            cursor.executemany(
                _put("model_drift"), [model | window | shift.model_dump() for shift in event.drift.shifts]
            )
        if event.months:
            cursor.executemany(_put("model_quality"), [model | month.model_dump() for month in event.months])


def _put(table: str) -> str:
    columns = (*_KEYS[table], *_COLUMNS[table])
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS[table])
    return f"""
        insert into {table} ({", ".join(f'"{name}"' for name in columns)}) values (${", $".join(columns)})
        on conflict do update set {changes} where excluded.measured_at >= measured_at
    """
