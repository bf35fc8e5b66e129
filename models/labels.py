"""What is to be predicted: outcomes that are known, of crashes old enough for them to be final."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from streams.errors import RequestError
from streams.records import TARGETS, Target

# Reports come late and are amended for weeks, some because an injury was found: until then "no injury" is not final.
MATURITY: Final = timedelta(days=30)

_CHICAGO: Final = ZoneInfo("America/Chicago")


def labelled(crashes: pl.DataFrame, target: Target, as_of: datetime, maturity: timedelta = MATURITY) -> pl.DataFrame:
    """`crash_record_id`, `crash_date` and `label` of Gold's crashes whose outcome is known and mature `as_of` then.

    Mature is what happened at least `maturity` before. A null outcome is not known yet, which is not "no injury".
    `as_of` without a time zone is Chicago's wall time, as `crash_date` is. Raises `RequestError`.
    """
    if target not in TARGETS:
        raise RequestError(f"no target {target!r}", field="target", hint=f"choose one of {', '.join(TARGETS)}")
    if maturity < timedelta(0):
        raise RequestError("labels cannot mature before the crash", field="maturity", hint="give 0 days or more")
    local = as_of.astimezone(_CHICAGO).replace(tzinfo=None) if as_of.tzinfo else as_of
    return crashes.select("crash_record_id", "crash_date", label=pl.col(target)).filter(
        pl.col("label").is_not_null(), pl.col("crash_date") <= local - maturity
    )
