"""What was heard of runs, and the dead letters, as rows. Events may come twice and in any order."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import pyarrow as pa

from streams.records import Audited, DeadLetter, Drifted, Failed, Fetched, Merged, Planned, Polled, RunEvent
from streams.storage.gold.tables import statement

# Each takes what was heard from `heard`, a batch at once: row by row takes fifty times as long. Of two events of one
# thing the later counts, within a batch as between two; what grows (versions, counts of changes) keeps its greatest.
_PLANNED: Final = """
insert into run_plans by name
select
    run_id, kind, "start", "end", datasets, windows, "rows" as rows_planned,
    min(heard_at) over (partition by run_id) as first_at, heard_at as planned_at
from heard
qualify row_number() over (partition by run_id order by heard_at desc) = 1
on conflict do update set
    kind = if(excluded.planned_at >= planned_at, excluded.kind, kind),
    "start" = if(excluded.planned_at >= planned_at, excluded."start", "start"),
    "end" = if(excluded.planned_at >= planned_at, excluded."end", "end"),
    datasets = if(excluded.planned_at >= planned_at, excluded.datasets, datasets),
    windows = if(excluded.planned_at >= planned_at, excluded.windows, windows),
    rows_planned = if(excluded.planned_at >= planned_at, excluded.rows_planned, rows_planned),
    first_at = least(first_at, excluded.first_at),
    planned_at = greatest(planned_at, excluded.planned_at)
"""
_FETCHED: Final = """
insert or replace into run_pages by name
select
    run_id, page_id, dataset, "start", "end", number, last, bronze_key, request, "rows", size, months,
    heard_at as fetched_at
from heard
where not exists (
    from run_pages known
    where known.run_id = heard.run_id and known.page_id = heard.page_id and known.fetched_at > heard.heard_at
)
qualify row_number() over (partition by run_id, page_id order by heard_at desc) = 1
"""
_MERGED: Final = """
insert into run_merges by name
select
    run_id, page_id, month, max(version) as version, max("rows") as "rows",
    max(crashes_changed) as crashes_changed, max(heard_at) as merged_at
from heard group by run_id, page_id, month
on conflict do update set
    loaded_at = if(excluded.version > version, null, loaded_at),
    version = greatest(version, excluded.version),
    "rows" = greatest("rows", excluded."rows"),
    crashes_changed = greatest(crashes_changed, excluded.crashes_changed),
    merged_at = greatest(merged_at, excluded.merged_at)
"""
_FAILED: Final = """
insert into run_failures by name
select
    run_id, stage, coalesce(page_id, '') as page_id, coalesce(month, '') as month,
    arg_max(error, (heard_at, error)) as error, max(heard_at) as failed_at, min(heard_at) as first_at
from heard group by all
on conflict do update set
    error = if((excluded.failed_at, excluded.error) > (failed_at, error), excluded.error, error),
    failed_at = greatest(failed_at, excluded.failed_at),
    first_at = least(first_at, excluded.first_at)
"""
_POLLED: Final = """
update run_failures set healed_at = greatest(healed_at, heard.heard_at)
from (select run_id, dataset, max(heard_at) as heard_at from heard where not out_of_date group by all) heard
where run_failures.run_id = heard.run_id and stage = 'poll' and page_id like heard.dataset || '/%';

insert or replace into watermarks by name
select dataset, watermark, "rows", out_of_date, run_id, heard_at as polled_at from heard
where not exists (from watermarks known where known.dataset = heard.dataset and known.polled_at > heard.heard_at)
qualify row_number() over (partition by dataset order by heard_at desc) = 1
"""
_AUDITED: Final = """
insert or replace into audits by name
select run_id, dataset, month, portal, ours, missing, gone, moved, heard_at as audited_at from heard
where not exists (
    from audits known
    where known.run_id = heard.run_id and known.dataset = heard.dataset and known.month = heard.month
        and known.audited_at > heard.heard_at
)
qualify row_number() over (partition by run_id, dataset, month order by heard_at desc) = 1
"""
_DRIFTED: Final = """
insert into drifts by name
select
    dataset, "column", drift, arg_max(detail, heard_at) as detail, arg_max(run_id, heard_at) as run_id,
    min(heard_at) as first_seen_at, max(heard_at) as last_seen_at
from heard group by dataset, "column", drift
on conflict do update set
    detail = if(excluded.last_seen_at >= last_seen_at, excluded.detail, detail),
    run_id = if(excluded.last_seen_at >= last_seen_at, excluded.run_id, run_id),
    first_seen_at = least(first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(last_seen_at, excluded.last_seen_at)
"""
_BURIED: Final = """
insert into dead_letters by name
select
    * exclude (heard_at) replace (max(replayed_at) over (partition by topic, "partition", "offset") as replayed_at),
    heard_at as failed_at
from heard
qualify row_number() over (partition by topic, "partition", "offset" order by heard_at) = 1
on conflict do update set replayed_at = greatest(replayed_at, excluded.replayed_at)
"""

# In this order: a poll heals the failure that was heard with it.
_STATEMENTS: Final[Mapping[type, str]] = {
    Planned: _PLANNED,
    Fetched: _FETCHED,
    Merged: _MERGED,
    Failed: _FAILED,
    Polled: _POLLED,
    Audited: _AUDITED,
    Drifted: _DRIFTED,
}


def utc(at: datetime) -> datetime:
    """A time of ours as Gold's TIMESTAMP: UTC, without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)


def write_events(cursor: duckdb.DuckDBPyConnection, events: Sequence[RunEvent]) -> None:
    """Take down `events` and bring their runs up to date."""
    heard: dict[type, list[dict[str, Any]]] = {kind: [] for kind in _STATEMENTS}
    for event in events:
        row = event.event.model_dump() | {"run_id": event.run_id, "heard_at": utc(event.at)}
        heard[type(event.event)].append(row)
    for kind, rows in heard.items():
        _write(cursor, _STATEMENTS[kind], rows)
    refresh_runs(cursor, {event.run_id for event in events})


def refresh_runs(cursor: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> None:
    """Derive these rows of `runs` again."""
    cursor.execute(
        "create or replace temporary table touched as select unnest($1::varchar[]) as run_id", [list(run_ids)]
    )
    cursor.execute(statement("runs"))


def runs_awaiting(cursor: duckdb.DuckDBPyConnection, months: Iterable[str]) -> list[str]:
    """Runs that merged into one of `months` what Gold did not hold."""
    rows = cursor.execute(
        """
        select distinct run_id from run_merges where loaded_at is null and list_contains($1::varchar[], month)
        """,
        [list(months)],
    ).fetchall()
    return [run_id for (run_id,) in rows]


def write_dead_letters(cursor: duckdb.DuckDBPyConnection, letters: Sequence[DeadLetter]) -> None:
    """Add those that are not there yet; of those that are, take down that they were replayed."""
    rows = [
        letter.model_dump(exclude={"at"}) | {"heard_at": utc(letter.at), "replayed_at": _utc(letter.replayed_at)}
        for letter in letters
    ]
    _write(cursor, _BURIED, rows)


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else utc(at)


def _write(cursor: duckdb.DuckDBPyConnection, sql: str, heard: list[dict[str, Any]]) -> None:
    """Run `sql` over these rows, which are dumps of one kind of record."""
    if not heard:
        return
    cursor.register("heard", pa.Table.from_pylist(heard))
    try:
        cursor.execute(sql)
    finally:
        cursor.unregister("heard")
