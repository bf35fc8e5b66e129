"""What was heard of runs, and the dead letters, as rows. Events may come twice and in any order."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import duckdb

from streams.records import Audited, DeadLetter, Drifted, Failed, Fetched, Merged, Planned, Polled, RunEvent
from streams.storage.gold.tables import statement

# Of two events of one thing the later counts; what grows (versions, counts of changes) keeps its greatest.
_PLANNED = """
insert into run_plans values ($1, $2, $3, $4, $5, $6, $7, $8, $8) on conflict do update set
    kind = if(excluded.planned_at >= planned_at, excluded.kind, kind),
    "start" = if(excluded.planned_at >= planned_at, excluded."start", "start"),
    "end" = if(excluded.planned_at >= planned_at, excluded."end", "end"),
    datasets = if(excluded.planned_at >= planned_at, excluded.datasets, datasets),
    windows = if(excluded.planned_at >= planned_at, excluded.windows, windows),
    rows_planned = if(excluded.planned_at >= planned_at, excluded.rows_planned, rows_planned),
    first_at = least(first_at, excluded.first_at),
    planned_at = greatest(planned_at, excluded.planned_at)
"""
_FETCHED = """
insert or replace into run_pages
select * from (values ($1, $2, $3, $4::date, $5::date, $6, $7, $8, $9, $10, $11, $12::varchar[], $13::timestamp))
where not exists (from run_pages where run_id = $1 and page_id = $2 and fetched_at > $13)
"""
_MERGED = """
insert into run_merges values ($1, $2, $3, $4, $5, $6, $7) on conflict do update set
    version = greatest(version, excluded.version),
    "rows" = greatest("rows", excluded."rows"),
    crashes_changed = greatest(crashes_changed, excluded.crashes_changed),
    merged_at = greatest(merged_at, excluded.merged_at)
"""
_FAILED = """
insert into run_failures values ($1, $2, $3, $4, $5, $6) on conflict do update set
    error = if((excluded.failed_at, excluded.error) < (failed_at, error), excluded.error, error),
    failed_at = least(failed_at, excluded.failed_at)
"""
_POLLED = """
insert or replace into watermarks
select * from (values ($1, $2, $3, $4, $5, $6::timestamp))
where not exists (from watermarks where dataset = $1 and polled_at > $6)
"""
_AUDITED = "insert or replace into audits values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_DRIFTED = """
insert into drifts values ($1, $2, $3, $4, $5, $6, $6) on conflict do update set
    detail = if(excluded.last_seen_at >= last_seen_at, excluded.detail, detail),
    run_id = if(excluded.last_seen_at >= last_seen_at, excluded.run_id, run_id),
    first_seen_at = least(first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(last_seen_at, excluded.last_seen_at)
"""
_BURIED = "insert into dead_letters values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict do nothing"


def utc(at: datetime) -> datetime:
    """A time of ours as Gold's TIMESTAMP: UTC, without saying so."""
    return at.astimezone(UTC).replace(tzinfo=None)


def write_events(cursor: duckdb.DuckDBPyConnection, events: Sequence[RunEvent]) -> None:
    """Take down `events` and bring their runs up to date."""
    for event in events:
        sql, values = _row(event)
        cursor.execute(sql, values)
    refresh_runs(cursor, {event.run_id for event in events})


def refresh_runs(cursor: duckdb.DuckDBPyConnection, run_ids: Iterable[str]) -> None:
    """Derive these rows of `runs` again."""
    cursor.execute(
        "create or replace temporary table touched as select unnest($1::varchar[]) as run_id", [list(run_ids)]
    )
    cursor.execute(statement("runs"))


def runs_awaiting(cursor: duckdb.DuckDBPyConnection, months: Iterable[str]) -> list[str]:
    """Runs that are not over and merged into one of `months`."""
    rows = cursor.execute(
        """
        select distinct run_id from run_merges join runs using (run_id)
        where status = 'running' and list_contains($1::varchar[], month)
        """,
        [list(months)],
    ).fetchall()
    return [run_id for (run_id,) in rows]


def write_dead_letters(cursor: duckdb.DuckDBPyConnection, letters: Sequence[DeadLetter]) -> None:
    """Add those that are not there yet."""
    for letter in letters:
        cursor.execute(
            _BURIED,
            [
                *(letter.topic, letter.partition, letter.offset, letter.stage, letter.error, letter.message),
                *(letter.field, letter.run_id, letter.key, letter.value, utc(letter.at)),
            ],
        )


def _row(event: RunEvent) -> tuple[str, list[object]]:
    run, at, what = event.run_id, utc(event.at), event.event
    match what:
        case Planned():
            return _PLANNED, [*(run, what.kind, what.start, what.end, list(what.datasets), what.windows, what.rows, at)]
        case Fetched():
            return _FETCHED, [
                *(run, what.page_id, what.dataset, what.start, what.end, what.number, what.last),
                *(what.bronze_key, what.request, what.rows, what.size, list(what.months), at),
            ]
        case Merged():
            return _MERGED, [run, what.page_id, what.month, what.version, what.rows, what.crashes_changed, at]
        case Polled():
            return _POLLED, [what.dataset, what.watermark, what.rows, what.out_of_date, run, at]
        case Audited():
            return _AUDITED, [
                *(run, what.dataset, what.month, what.portal, what.ours, what.missing, what.gone, what.moved, at),
            ]
        case Drifted():
            return _DRIFTED, [what.dataset, what.column, what.drift, what.detail, run, at]
        case Failed():
            return _FAILED, [run, what.stage, what.page_id or "", what.month or "", what.error, at]
