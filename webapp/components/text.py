"""Numbers, sizes, days and times as people read them. Times are shown in Chicago's."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

CHICAGO: Final = ZoneInfo("America/Chicago")
NOTHING: Final = "–"  # stands where a figure will be, and keeps its place


def number(value: int | None) -> str:
    """`12345` as `12,345`."""
    return NOTHING if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """Bytes in the largest decimal unit that fits."""
    if value is None:
        return NOTHING
    amount = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


def day(value: date | None) -> str:
    """A day, such as `Sat, Nov 22, 2025`."""
    return NOTHING if value is None else f"{value:%a, %b} {value.day}, {value:%Y}"


def short_day(value: date) -> str:
    """A day where the year is plain from what is around it: `Nov 22`."""
    return f"{value:%b} {value.day}"


def span(start: date, end: date) -> str:
    """Days from `start` up to, but without, `end`: `Sep 1 – Oct 22, 2025`."""
    last = end - timedelta(days=1)
    if last <= start:
        return f"{short_day(start)}, {start:%Y}"
    year = "" if start.year == last.year else f", {start:%Y}"
    return f"{short_day(start)}{year} – {short_day(last)}, {last:%Y}"


def clock(value: datetime) -> str:
    """Time of day, such as `11:40 PM`."""
    return f"{value:%I:%M %p}".lstrip("0")


def moment(utc: datetime | None) -> str:
    """A UTC time of Gold (`…_at`) as Chicago's clock shows it: `Nov 22, 11:40 PM`."""
    if utc is None:
        return NOTHING
    local = utc.replace(tzinfo=UTC).astimezone(CHICAGO)
    return f"{short_day(local)}, {clock(local)}"


def ago(utc: datetime | None, now: datetime | None = None) -> str:
    """How long ago a time of ours was: `just now`, `40 s ago`, `3 h ago`; the day, when it is longer ago."""
    if utc is None:
        return NOTHING
    seconds = ((now or datetime.now(UTC)) - utc.replace(tzinfo=UTC)).total_seconds()
    if seconds < 5:
        return "just now"
    for size, unit in ((60, "s"), (3600, "min"), (86_400, "h")):
        if seconds < size:
            return f"{seconds // (size // 60 if unit != 'h' else 3600):.0f} {unit} ago"
    return f"on {moment(utc).split(',')[0]}"


def plural(count: int, noun: str) -> str:
    """`1 page`, `2 pages`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """A length of time in one or two units: `8 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
