"""What models learn from: Gold's crashes as features and labels, read month by month."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, cast

import polars as pl

from models.features import KEY, build
from models.labels import labelled
from streams.errors import QueryLimit
from streams.records import DATASETS, Dataset, Target
from streams.storage.gold.client import GoldClient

# Of Gold's answers, the largest that it gives.
_MOST_ROWS: Final = 1_000_000
# A month that changes while it is read is read again, so often at most.
_READS: Final = 3

MONTHS: Final = """
    select strftime(crash_date, '%Y-%m') as month, min(crash_date)::date as first, max(crash_date)::date as last
    from crashes where crash_date >= $start::timestamp and crash_date < $end::timestamp
    group by all order by 1
"""
VERSION: Final = "select version from applied where month = $month"


@dataclass(frozen=True)
class History:
    """Crashes whose label is known and mature: crash_record_id, crash_date, label, beat and features, in order of time.

    `silver_versions` are those of the months they are of.
    """

    rows: pl.DataFrame
    silver_versions: Mapping[str, int]


@dataclass(frozen=True)
class Span:
    """Crashes of `start` (inclusive) to `end` (exclusive) whose label is mature at `as_of`, local as published."""

    as_of: datetime
    maturity: timedelta
    start: date | None = None
    end: date | None = None


async def read_history(
    gold: GoldClient,
    target: Target,
    span: Span,
    features: Collection[str],
    on_progress: Callable[[float], None],
) -> History:
    """Read what there is of `span`, of all features those named; `on_progress` gets the share that is done.

    No more than a month is in memory as Gold has it. Raises what a query raises, and what `on_progress` does.
    """
    mature = (span.as_of - span.maturity).date() + timedelta(days=1)
    end = min(span.end, mature) if span.end else mature
    found = await _rows(gold, MONTHS, start=str(span.start or date.min), end=str(end))
    parts, versions = [], {}
    for done, (month, first, last) in enumerate(found.iter_rows()):
        on_progress(done / len(found))
        for _ in range(_READS):
            versions[month] = await _version(gold, month)
            tables = await read_tables(gold, first, last + timedelta(days=1))
            if versions[month] == await _version(gold, month):
                break
        parts.append(await asyncio.to_thread(_learnable, tables, target, span, features))
    rows = pl.concat(parts) if parts else _learnable(await read_tables(gold, end, end), target, span, features)
    return History(rows, versions)


def _learnable(
    tables: Mapping[Dataset, pl.DataFrame], target: Target, span: Span, features: Collection[str]
) -> pl.DataFrame:
    crashes = tables["crashes"]
    labels = labelled(crashes, target, span.as_of, span.maturity)
    built = build(crashes, tables["vehicles"], tables["people"])
    beats = crashes.select(KEY, beat="beat_of_occurrence")
    return labels.join(beats, on=KEY).join(built.select(KEY, *features), on=KEY).sort("crash_date", KEY)


async def read_tables(gold: GoldClient, start: date, end: date) -> dict[Dataset, pl.DataFrame]:
    """Gold's rows of the crashes from `start` to `end`."""
    window = {"start": str(start), "end": str(end)}
    return {dataset: await _rows(gold, _question(dataset), **window) for dataset in DATASETS}


def _question(dataset: Dataset) -> str:
    wanted = "crash_date >= $start::timestamp and crash_date < $end::timestamp"
    if dataset == "crashes":
        return f"from crashes where {wanted}"
    return f"from {dataset} where {KEY} in (select {KEY} from crashes where {wanted})"  # noqa: S608  names of our own


async def _version(gold: GoldClient, month: str) -> int:
    found = await _rows(gold, VERSION, month=month)
    return int(found.item()) if len(found) else 0


async def _rows(gold: GoldClient, sql: str, **parameters: Any) -> pl.DataFrame:
    answer = await gold.query(sql, limit=_MOST_ROWS, parameters=parameters)
    if answer.truncated:
        raise QueryLimit(f"a month has more than {_MOST_ROWS:,} rows", field="rows", hint="choose fewer days")
    return cast(pl.DataFrame, pl.from_arrow(answer.table))
