"""Follow a row of Gold back to its request."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import polars as pl

from streams.domain.clean import clean
from streams.domain.merge import flatten, live
from streams.domain.schemas import SOURCE, TABLES, Table
from streams.errors import ObjectMissing, QueryRefused, RowMissing
from streams.lineage.trail import FetchedBy, InBronze, InGold, InSilver, Lineage
from streams.records import UNDATED
from streams.storage import bronze
from streams.storage.gold.answer import Answer
from streams.storage.objects import Objects
from streams.storage.silver import Head, Silver

_APPLIED: Final = "select version, applied_at from applied where month = $month"
_FETCHED: Final = """
select run_id, kind, page_id, request, fetched_at, merged_at, loaded_at
from run_pages
left join (select run_id, page_id, merged_at, loaded_at from run_merges where month = $month) using (run_id, page_id)
left join (select run_id, kind from runs) using (run_id)
where bronze_key = $key
order by fetched_at, run_id
"""


class Ask(Protocol):
    """How Gold is asked; see `GoldClient.query`."""

    async def __call__(self, sql: str, *, parameters: Mapping[str, object]) -> Answer:
        """Rows of a single read."""


async def trace(ask: Ask, objects: Objects, name: str, key: str) -> Lineage:
    """Follow the row `key` of the table `name` back to its request.

    Raises `QueryRefused` for a table without lineage, `RowMissing`, and `StoreUnavailable`.
    """
    table = _table(name)
    sql = f"from {table.dataset} where {table.key}::varchar = $key"
    rows = (await ask(sql, parameters={"key": key})).table.to_pylist()
    if not rows:
        raise RowMissing(
            f"Gold has no row of {name} whose {table.key} is {key}",
            field="key",
            hint=f"look for it by its {table.key}; it may not have come yet",
        )
    lineage = Lineage(table=table.dataset, key=key, gold=await _in_gold(ask, rows[0]))
    month = lineage.gold.month
    silver = Silver(objects)
    head = await silver.head(month)
    row = _find(await silver.month(head), table, rows[0]["crash_record_id"], key)
    if row is None:
        return _ended(lineage, f"{month} does not hold the row any more; Gold will follow: ask again in a moment")
    lineage.silver = _in_silver(head, row)
    if row[SOURCE] is None:
        return _ended(lineage, "the row was merged before sources were kept; a backfill of its month names its source")
    fetched = (await ask(_FETCHED, parameters={"key": row[SOURCE], "month": month})).table.to_pylist()
    lineage.fetched = [FetchedBy.model_validate(_stamped(page)) for page in fetched]
    try:
        lineage.bronze = await _in_bronze(objects, row[SOURCE])
    except ObjectMissing:
        lineage.bronze = InBronze(key=row[SOURCE])
        return _ended(lineage, f"the object {row[SOURCE]} is not in Bronze any more")
    return lineage


def _table(name: str) -> Table:
    for dataset, table in TABLES.items():
        if dataset == name:
            return table
    raise QueryRefused(f"rows of {name} have no lineage", field="table", hint=f"one of {', '.join(TABLES)}")


async def _in_gold(ask: Ask, row: dict[str, Any]) -> InGold:
    when = row["crash_date"]
    month = f"{when.year:04d}-{when.month:02d}" if when else UNDATED
    applied = (await ask(_APPLIED, parameters={"month": month})).table.to_pylist()
    held = _stamped(applied[0]) if applied else {"version": None, "applied_at": None}
    return InGold(row=row, month=month, version=held["version"], loaded_at=held["applied_at"])


def _find(month: pl.DataFrame, table: Table, crash_id: str, key: str) -> dict[str, Any] | None:
    """The row as published, among those of its crash. Its key is read as Gold reads it."""
    rows = live(flatten(month.filter(pl.col("crash_record_id").str.strip_chars() == crash_id), table))
    found = rows.filter(clean(rows, table)[table.key].cast(pl.String) == key).sort(":updated_at", ":version")
    return found.row(-1, named=True) if found.height else None


def _in_silver(head: Head, row: Mapping[str, Any]) -> InSilver:
    return InSilver(
        key=head.key,
        version=head.version,
        content=head.content,
        row_id=row[":id"],
        created_at=row[":created_at"],
        updated_at=row[":updated_at"],
        row_version=row[":version"],
    )


async def _in_bronze(objects: Objects, key: str) -> InBronze:
    info = await objects.head(bronze.BUCKET, key)
    told = info.metadata
    return InBronze(
        key=key,
        request=told.get("request"),
        headers=json.loads(told.get("headers", "{}")),
        rows=int(told["rows"]) if "rows" in told else None,
        size=info.size,
        sha256=told.get("sha256"),
        archived_at=info.modified,
    )


def _stamped(row: Mapping[str, Any]) -> dict[str, Any]:
    """Times of ours say that they are UTC."""
    return {name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in row.items()}


def _ended(lineage: Lineage, why: str) -> Lineage:
    return lineage.model_copy(update={"ends": why})
