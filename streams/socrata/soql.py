"""The questions this service asks the portal, as SoQL parameters."""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import quote

from streams.domain.schemas import Table
from streams.records import Cursor

Params = dict[str, str]

# The portal's default of 1,000 would cut an answer silently; this many it always serves.
MOST_ROWS: Final = 50_000
# A URL past 8 KB is refused; this much of it may be keys.
KEYS_LENGTH: Final = 6_500

# A total order: a whole publish shares one :updated_at. Rows that change while a window is paged move behind the
# cursor's end, where a later page finds them; none is missed.
TOTAL_ORDER = ":updated_at,:id"


def page(start: date, end: date, after: Cursor | None, limit: int) -> Params:
    """One keyset page of the crash dates [start, end), with the portal's bookkeeping columns."""
    return _rows(_window(start, end) + (_past(after) if after else ""), limit)


def changes(since: date, after: Cursor | None, from_time: datetime | None, limit: int) -> Params:
    """One keyset page of the crash dates from `since` on: past `after`, or else published at `from_time` or later."""
    return _rows(_changes(since, after, from_time), limit)


def changed(since: date, after: Cursor | None, from_time: datetime | None) -> Params:
    """How many rows `changes` has in all."""
    return {"$select": "count(*) as count", "$where": _changes(since, after, from_time)}


def _changes(since: date, after: Cursor | None, from_time: datetime | None) -> str:
    where = f"crash_date >= '{since}T00:00:00'"
    if after:
        where += _past(after)
    elif from_time:
        # Cut to milliseconds, which is what the portal keeps: earlier than asked, never later.
        moment = from_time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        where += f" and :updated_at >= '{moment}Z'"
    return where


def held(start: date, end: date) -> Params:
    """How many rows have crash dates in [start, end), the first and the last of these, the newest stamp: one row."""
    columns = "count(*) as count,min(crash_date) as first,max(crash_date) as last,max(:updated_at) as updated_at"
    return {"$select": columns, "$where": _window(start, end)}


def counts(table: Table, start: date, end: date) -> Params:
    """How many rows that can be merged have crash dates in [start, end), by month: a row a month."""
    month = "date_trunc_ym(crash_date)"
    return {
        "$select": f"{month} as month,count(*) as count",
        "$where": _window(start, end) + _mergeable(table),
        "$group": month,
        "$order": month,
        "$limit": str(MOST_ROWS),
    }


def keys(table: Table, start: date, end: date, after: str | None, limit: int) -> Params:
    """One page of primary keys of rows that can be merged, of the crash dates [start, end), past `after`.

    The key is its own total order.
    """
    where = _window(start, end) + _mergeable(table) + (f" and {table.key} > {_quote(after)}" if after else "")
    return {"$select": table.key, "$where": where, "$order": table.key, "$limit": str(limit)}


def confirm(table: Table, wanted: Collection[str]) -> Iterator[Params]:
    """Which of the keys `wanted` exist, and their crash dates: as many questions as their URLs need."""
    batch: list[str] = []
    room = KEYS_LENGTH
    for key in sorted(set(wanted)):
        length = len(quote(f"{_quote(key)},"))
        if batch and length > room:
            yield _confirm(table, batch)
            batch, room = [], KEYS_LENGTH
        batch.append(key)
        room -= length
    if batch:
        yield _confirm(table, batch)


def _confirm(table: Table, batch: list[str]) -> Params:
    return {
        "$select": f"{table.key},crash_date",
        "$where": f"{table.key} in ({','.join(map(_quote, batch))})",
        "$order": table.key,
        "$limit": str(MOST_ROWS),
    }


def _rows(where: str, limit: int) -> Params:
    return {"$select": ":*,*", "$where": where, "$order": TOTAL_ORDER, "$limit": str(limit)}


def _past(cursor: Cursor) -> str:
    updated_at, row_id = _quote(cursor.updated_at), _quote(cursor.row_id)
    return f" and (:updated_at > {updated_at} or (:updated_at = {updated_at} and :id > {row_id}))"


def _window(start: date, end: date) -> str:
    # Half-open, to the instant: `between` and 23:59:59 lose the last second of a day or count it twice.
    return f"crash_date >= '{start}T00:00:00' and crash_date < '{end}T00:00:00'"


def _mergeable(table: Table) -> str:
    # What names no crash or has no key stays in Bronze: an audit would find it missing for ever.
    names = sorted({table.key, "crash_record_id"})
    return "".join(f" and {name} is not null" for name in names)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
