"""Cron expressions on Chicago's clock.

Five fields: minute, hour, day of month, month, day of week. When the clocks change, a time that does not exist comes
once, right after the gap, and one that comes twice counts the first time. An expression for every hour (`*`) is an
interval and goes on at it: both one o'clocks of autumn are hours of it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

CHICAGO: Final = ZoneInfo("America/Chicago")

_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_FORM: Final = "write minute hour day-of-month month day-of-week, such as 0 3 * * * for 3:00 every day"


def checked(cron: str) -> str:
    """The expression with single blanks. Raises `ValueError` with the remedy when it is none, or names no time."""
    fields = cron.split()
    if len(fields) != 5:
        raise ValueError(f"{cron!r} is no cron expression: five fields are needed, and it has {len(fields)}; {_FORM}")
    cron = " ".join(fields)
    try:
        # Its first time, whenever that is: some, like a fifth Monday of February, come only every few decades.
        if next(CronSim(cron, datetime(2024, 1, 1)), None) is None:
            raise ValueError(f"{cron!r} names a time that never comes; {_FORM}")
    except CronSimError as error:
        raise ValueError(f"{cron!r} is no cron expression: {str(error).lower()}; {_FORM}") from None
    return cron


def explain(cron: str) -> str:
    """The expression in words: `At 03:00 every day`."""
    return CronSim(cron, datetime(2024, 1, 1)).explain()


def time_after(cron: str, after: datetime) -> datetime:
    """The first time after `after`, in UTC."""
    return next(time for time in _times(cron, after.astimezone(CHICAGO)) if time > after)


def latest_time(cron: str, now: datetime) -> datetime:
    """The last time that is not after `now`, in UTC."""
    local = now.astimezone(CHICAGO)
    # Backwards is from just before a start. In autumn's second one o'clock, all of the first has been.
    return next(time for time in _times(cron, local, back=_MINUTE + _HOUR * local.fold) if time <= now)


def _times(cron: str, local: datetime, back: timedelta | None = None) -> Iterator[datetime]:
    """Times from `local` on; with `back`, from so long after it backwards."""
    interval = cron.split()[1] == "*"
    start = local if interval else local.replace(tzinfo=None)
    if back is not None:
        start = (start.astimezone(UTC) + back).astimezone(CHICAGO) if interval else start + back
        start = start.replace(second=0, microsecond=0)
    for time in CronSim(cron, start, reverse=back is not None):
        yield time.astimezone(UTC) if interval else _on_the_clock(time)


def _on_the_clock(time: datetime) -> datetime:
    """When the clock in Chicago first shows `time` or, where it skips it, the first minute after."""
    while (at := time.replace(tzinfo=CHICAGO).astimezone(UTC)).astimezone(CHICAGO).replace(tzinfo=None) != time:
        time += _MINUTE
    return at
