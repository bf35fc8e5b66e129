"""The questions this service asks the portal, as SoQL parameters."""

from datetime import date

from streams.records import Cursor

Params = dict[str, str]

# A total order: a whole publish shares one :updated_at. Rows that change while a window is paged move behind the
# cursor's end, where a later page finds them; none is missed.
TOTAL_ORDER = ":updated_at,:id"


def page(start: date, end: date, after: Cursor | None, limit: int) -> Params:
    """One keyset page of the crash dates [start, end), with the portal's bookkeeping columns."""
    where = _window(start, end)
    if after:
        updated_at, row_id = _quote(after.updated_at), _quote(after.row_id)
        where += f" and (:updated_at > {updated_at} or (:updated_at = {updated_at} and :id > {row_id}))"
    return {"$select": ":*,*", "$where": where, "$order": TOTAL_ORDER, "$limit": str(limit)}


def held(start: date, end: date) -> Params:
    """How many rows have crash dates in [start, end), and which are the first and the last: one row."""
    columns = "count(*) as count,min(crash_date) as first,max(crash_date) as last"
    return {"$select": columns, "$where": _window(start, end)}


def _window(start: date, end: date) -> str:
    # Half-open, to the instant: `between` and 23:59:59 lose the last second of a day or count it twice.
    return f"crash_date >= '{start}T00:00:00' and crash_date < '{end}T00:00:00'"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
